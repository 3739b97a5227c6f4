#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include <set>

#include "cdc/error.hpp"
#include "cdc/session.hpp"
#include "exec/artifact_check.hpp"

namespace cdc {
namespace {

[[noreturn]] void fail(const std::string& port, const std::string& what) { throw Error(fmt::format("its output '{}' {}", port, what)); }

void check_form(const std::string& port, const void* artifact) {
  std::set<std::string> names;
  for (const NamedTensor& t : static_cast<const Model*>(artifact)->state) {
    if (t.name.empty()) fail(port, "has a tensor without a name");
    if (!names.insert(t.name).second) fail(port, fmt::format("has two tensors called '{}'", t.name));
    if (!t.tensor.defined()) fail(port, fmt::format("has nothing in its tensor '{}'", t.name));
    if (!t.tensor.is_cpu()) fail(port, fmt::format("has its tensor '{}' on {}: a model is on the CPU", t.name, t.tensor.device().str()));
  }
}

void check_numbers(const std::string& port, const void* artifact) {
  for (const NamedTensor& t : static_cast<const Model*>(artifact)->state)
    if (t.trainable && t.tensor.is_floating_point() && !t.tensor.isfinite().all().item<bool>())
      fail(port, fmt::format("has numbers that are not finite in its weight '{}': if it was trained here, lower the learning rate", t.name));
}

[[maybe_unused]] const bool kRegistered = (register_artifact_check(PortType::model, {&check_form, &check_numbers}), true);

}  // namespace
}  // namespace cdc
