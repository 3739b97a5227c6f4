#pragma once

// CDC_CLONES: compiles a function for several instruction sets; the best that the processor has is chosen when the library is loaded. Kernels so
// marked use raw pointers and plain loops, and are compiled with -O3 -ffp-contract=off (engine/CMakeLists.txt): without fused multiply-add, and with
// every sum's order written down, all clones give the same bits. The sanitizers' start-up does not survive the resolvers that choose.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define CDC_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CDC_CLONES
#endif
