#pragma once

/// Before a function of plain loops: compiled for several widths of vectors, of which the processor takes the widest it has when the library is
/// loaded. Results may differ in the last bits between processors, not between runs or numbers of threads. Elsewhere than with GCC on x86-64:
/// nothing.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CDC_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3", "no-trapping-math")))
#else
#define CDC_CLONES
#endif
