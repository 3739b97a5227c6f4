#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Device.h>
#include <fmt/format.h>
#include <torch/version.h>

#include "cdc/error.hpp"
#include "torch/graph_session.hpp"

namespace cdc {
namespace {

bool processor_has_bfloat16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

std::string check_device(const std::string& device) {
  const std::size_t gpus = at::hasCUDA() ? at::getNumGPUs() : 0;
  std::string there = "cpu";
  for (std::size_t i = 0; i < gpus; ++i) there += fmt::format(", cuda:{}", i);
  if (device == "cpu") return device;
  if (device == "cuda" && gpus > 0) return "cuda:0";
  for (std::size_t i = 0; i < gpus; ++i)
    if (device == fmt::format("cuda:{}", i)) return device;
  const bool cuda = device.rfind("cuda", 0) == 0;
  const char* reason = !cuda            ? ""
                       : !at::hasCUDA() ? " (LibTorch finds no GPU; if there is one, build with -DCDC_TORCH=DIR naming a CUDA build of LibTorch)"
                                        : "";
  throw Error(fmt::format("there is no device '{}' here{}; there is: {}", device, reason, there));
}

std::string resolve_precision(const std::string& choice, const std::string& device) {
  if (choice == "float32" || choice == "bfloat16") return choice;
  if (choice != "auto") throw Error(fmt::format("precision '{}' is not known; it is one of auto, float32, bfloat16", choice));
  if (device != "cpu" && (!at::hasCUDA() || at::getNumGPUs() == 0))
    throw Error("precision = \"auto\" asks the GPU, and there is none on this machine: set precision = \"bfloat16\" or \"float32\"");
  const bool has = device == "cpu" ? processor_has_bfloat16() : at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
  return has ? "bfloat16" : "float32";
}

std::string torch_version() { return TORCH_VERSION; }

}  // namespace cdc
