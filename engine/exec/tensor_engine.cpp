#include "exec/tensor_engine.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "cdc/error.hpp"

namespace cdc {

TensorEngine load_tensor_engine() {
  TensorEngine engine;
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&load_tensor_engine), &here) == 0 || here.dli_fname == nullptr) return engine;
  const std::filesystem::path library = std::filesystem::path(here.dli_fname).parent_path() / "libcdc.so";
  std::error_code ignored;
  if (!std::filesystem::exists(library, ignored)) return engine;
  void* const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) throw PluginError(fmt::format("cannot load {}: {}; build or install the project again", library.string(), ::dlerror()));
  const auto entry = reinterpret_cast<TensorEngineEntry>(::dlsym(handle, "cdc_tensor_engine"));
  if (entry == nullptr) throw PluginError(fmt::format("{} is of another version; build or install the project again", library.string()));
  entry(engine);
  return engine;
}

}  // namespace cdc
