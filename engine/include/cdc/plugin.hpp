#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "cdc/component.hpp"
#include "cdc/schema.hpp"

#if defined(CDC_WITHOUT_TORCH)  // an engine of the torch-free parts alone
#define TORCH_VERSION_MAJOR 0
#define TORCH_VERSION_MINOR 0
#define TORCH_VERSION_PATCH 0
#elif __has_include(<torch/version.h>)
#include <torch/version.h>
#else
#include <torch/csrc/api/include/torch/version.h>
#endif

/// The SDK's version: a plugin runs only with the engine of the same number. Raised whenever a header here changes (setup/sdk_version tests it).
#define CDC_SDK_VERSION 4

namespace cdc {

/// What must agree between an engine and a plugin library. Plain data, kept in the ELF section `.cdc_abi` so that it can be read from the file
/// before any code of the library runs. Fields are only ever added at the end.
struct AbiTag {
  char magic[8];                ///< "cdc-abi"
  std::uint32_t size;           ///< sizeof(AbiTag)
  std::uint32_t sdk_version;
  std::uint32_t compiler;       ///< 1 GCC, 2 Clang (their C++ ABIs agree: told, not compared)
  std::uint32_t compiler_major;
  std::int64_t cplusplus;       ///< __cplusplus
  std::uint32_t cxx11_abi;      ///< _GLIBCXX_USE_CXX11_ABI
  std::uint32_t torch_major, torch_minor, torch_patch;
};

#if defined(__clang__)
#define CDC_COMPILER_ 2u
#define CDC_COMPILER_MAJOR_ __clang_major__
#else
#define CDC_COMPILER_ 1u
#define CDC_COMPILER_MAJOR_ __GNUC__
#endif

inline constexpr AbiTag kThisAbi{{'c', 'd', 'c', '-', 'a', 'b', 'i', 0}, sizeof(AbiTag),       CDC_SDK_VERSION,     CDC_COMPILER_,      CDC_COMPILER_MAJOR_,
                                 __cplusplus,                             _GLIBCXX_USE_CXX11_ABI, TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION_PATCH};

/// One plugin of a library. `describe` fills everything; it may throw, and the loader says so.
struct PluginEntry {
  const char* id;
  void (*describe)(ComponentInfo&);
};

namespace detail {

template <class T>
void describe_component(ComponentInfo& info) {
  static_assert(std::is_base_of_v<Component, T>, "a plugin derives from cdc::Node, cdc::Loss, cdc::Stage, cdc::Optimizer or cdc::Schedule");
  info.kind = T::kKind;
  info.create = [] { return std::static_pointer_cast<Component>(std::make_shared<T>()); };
  Schema<T> schema(info);
  T::describe_base(schema);
  T::describe(schema);
}

}  // namespace detail
}  // namespace cdc

// The entries of a library are the pointers in its section cdc_entries: the linker gathers them, no code runs at load. The two exported
// functions are inline: they are there exactly where a CDC_PLUGIN refers to them, once a library of any number of files.
extern "C" {
extern const cdc::PluginEntry* const __start_cdc_entries[] __attribute__((visibility("hidden")));
extern const cdc::PluginEntry* const __stop_cdc_entries[] __attribute__((visibility("hidden")));
__attribute__((visibility("default"))) inline const cdc::PluginEntry* const* cdc_plugin_entries_begin() { return __start_cdc_entries; }
__attribute__((visibility("default"))) inline const cdc::PluginEntry* const* cdc_plugin_entries_end() { return __stop_cdc_entries; }
}

#define CDC_PLUGIN_JOIN_(a, b) a##b
#define CDC_PLUGIN_NAME_(a, b) CDC_PLUGIN_JOIN_(a, b)

/// Makes `Class` known as plugin `id` ("family.name"). Once a class, at namespace scope; a file may have several.
#define CDC_PLUGIN(Class, plugin_id)                                                                                            \
  namespace {                                                                                                                   \
  __attribute__((section(".cdc_abi"), used)) const cdc::AbiTag CDC_PLUGIN_NAME_(cdc_abi_, __LINE__) = cdc::kThisAbi;             \
  const cdc::PluginEntry CDC_PLUGIN_NAME_(cdc_entry_, __LINE__){plugin_id, &cdc::detail::describe_component<Class>};             \
  __attribute__((section("cdc_entries"), used)) const cdc::PluginEntry* const CDC_PLUGIN_NAME_(cdc_entry_pointer_, __LINE__) =   \
      &CDC_PLUGIN_NAME_(cdc_entry_, __LINE__);                                                                                  \
  __attribute__((used)) const cdc::PluginEntry* const* (*const CDC_PLUGIN_NAME_(cdc_begin_, __LINE__))() = &cdc_plugin_entries_begin; \
  __attribute__((used)) const cdc::PluginEntry* const* (*const CDC_PLUGIN_NAME_(cdc_end_, __LINE__))() = &cdc_plugin_entries_end;     \
  }
