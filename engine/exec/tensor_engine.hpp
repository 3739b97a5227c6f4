#pragma once

#include <string>

#include "exec/runner.hpp"

namespace cdc {

/// What libcdc.so, which links LibTorch, gives to a program. Programs load it when they run instead of linking it: LibTorch brings an OpenMP library
/// that reads its environment while it is loaded, so that a program can set OMP_WAIT_POLICY before.
struct TensorEngine {
  SessionFactory sessions;                                    ///< empty: there is no libcdc.so
  SessionFactory anomaly_sessions;                            ///< those that follow backward passes
  std::string (*last_backward)() = nullptr;                   ///< of such a session: see RunOptions
  std::string (*check_device)(const std::string&) = nullptr;  ///< the device as LibTorch calls it; cdc::Error where there is none
  std::string (*version)() = nullptr;                         ///< of LibTorch
};

/// libcdc.so's C function "cdc_tensor_engine" fills one.
using TensorEngineEntry = void (*)(TensorEngine&);

/// Loads libcdc.so from beside libcdc_core.so, for good. An engine without sessions where there is none (a build without LibTorch); PluginError where
/// it cannot be loaded.
CDC_API TensorEngine load_tensor_engine();

}  // namespace cdc
