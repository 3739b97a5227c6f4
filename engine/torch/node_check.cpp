#include "torch/node_check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "cdc/error.hpp"
#include "cdc/node.hpp"

namespace cdc {
namespace {

/// Raised by each operation that writes into the tensor's memory.
std::int64_t version_of(const at::Tensor& tensor) {
  return !tensor.defined() || tensor.is_inference() ? 0 : static_cast<std::int64_t>(tensor._version());
}

const char* type_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kLong:
      return "int64";
    default:
      return c10::toString(type);
  }
}

bool any_floating_point(PortType type) { return type == PortType::embeddings || type == PortType::logits; }

}  // namespace

void OutputSlot::take(at::Tensor given) {
  value = std::move(given);
  float32 = at::Tensor();
  keep_versions();
}

void OutputSlot::keep_versions() {
  value_version = version_of(value);
  float32_version = version_of(float32);
}

NodeCheck::NodeCheck(const PlannedNode& plan, const std::vector<std::pair<std::string, std::int64_t>>& sizes) : info_(plan.info) {
  for (const auto& [symbol, size] : sizes) {
    symbols_.push_back(symbol);
    resolved_.push_back(size);
  }
  for (const PortInfo& one : info_->inputs) inputs_.push_back(port_of(one));
  for (const PortInfo& one : info_->outputs) outputs_.push_back(port_of(one));
}

NodeCheck::Port NodeCheck::port_of(const PortInfo& info) const {
  Port port{&info, {}};
  for (const std::string& size : info.sizes) {
    const auto found = std::find(symbols_.begin(), symbols_.end(), size);
    port.sizes.push_back(found == symbols_.end() ? -1 - std::stoll(size) : found - symbols_.begin());
  }
  return port;
}

const NodeCheck::Port* NodeCheck::port(const std::vector<Port>& ports, const std::string& name) const {
  const auto found = std::find_if(ports.begin(), ports.end(), [&](const Port& one) { return one.info->name == name; });
  return found == ports.end() ? nullptr : &*found;
}

std::string NodeCheck::faulty() const { return fmt::format("; the plugin is faulty ({})", info_->library); }

void NodeCheck::remember(const std::vector<NamedTensor>& tensors) {
  weights_.clear();
  std::vector<std::string> names;
  for (const NamedTensor& t : tensors) {
    if (!t.tensor.defined()) throw Error(fmt::format("its tensor '{}' holds nothing after build(){}", t.name, faulty()));
    if (std::find(names.begin(), names.end(), t.name) != names.end())
      throw Error(
          fmt::format("two of its tensors are called '{}', so that a checkpoint could keep one of them alone: rename one{}", t.name, faulty()));
    names.push_back(t.name);
    if (t.trainable) weights_.push_back({t.name, t.tensor.unsafeGetTensorImpl(), t.tensor.sizes().vec()});
  }
}

void NodeCheck::weights_are_the_same(const std::vector<NamedTensor>& tensors) const {
  for (const Weight& weight : weights_) {
    const auto now = std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& t) { return t.name == weight.name; });
    const bool there = now != tensors.end() && now->tensor.defined();
    if (there && now->tensor.unsafeGetTensorImpl() == weight.tensor && now->tensor.sizes() == weight.sizes) continue;
    const bool resized = there && now->tensor.sizes() != weight.sizes;
    throw Error(fmt::format(
        "it {} its trained tensor '{}'{}, so that the optimizer goes on with the former one: write new values into it, with "
        "copy_() under at::NoGradGuard{}",
        !there    ? "removed"
        : resized ? "resized"
                  : "replaced",
        weight.name, resized ? fmt::format(" from [{}] to [{}]", fmt::join(weight.sizes, ", "), fmt::join(now->tensor.sizes().vec(), ", ")) : "",
        faulty()));
  }
}

void NodeCheck::bind(const PortSlots& inputs, const std::vector<OutputSlot>& slots, const CheckedBatch& batch) {
  // Evaluation has one view, and maybe other images: what the inputs have comes first there.
  if (batch.training)
    bound_ = resolved_;
  else
    bound_.assign(symbols_.size(), 0);
  for (const auto& [name, connected] : inputs) {
    const Port* const declared = port(inputs_, name);
    if (declared == nullptr) continue;
    for (const std::size_t slot : connected) {
      const at::Tensor& tensor = slots[slot].value;
      if (!tensor.defined() || tensor.dim() != static_cast<std::int64_t>(declared->sizes.size())) continue;
      for (std::size_t k = 0; k < declared->sizes.size(); ++k) {
        if (declared->sizes[k] < 0) continue;
        std::int64_t& known = bound_[static_cast<std::size_t>(declared->sizes[k])];
        const std::int64_t size = tensor.size(static_cast<std::int64_t>(k));
        known = known == 0 || known == size ? size : -1;
      }
    }
  }
  for (std::size_t i = 0; i < bound_.size(); ++i) {
    if (bound_[i] == 0) bound_[i] = resolved_[i];
    if (bound_[i] == 0 && symbols_[i] == "B") bound_[i] = batch.samples;
  }
}

void NodeCheck::output_is_as_declared(const Port& declared, const at::Tensor& given, const CheckedBatch& batch) const {
  const PortInfo& info = *declared.info;
  bool fits = given.dim() == static_cast<std::int64_t>(declared.sizes.size()) && given.layout() == at::kStrided && given.device() == batch.device &&
              (any_floating_point(info.type) ? given.is_floating_point() : given.scalar_type() == at::kFloat);
  const auto expected = [&](std::int64_t size) { return size < 0 ? -1 - size : bound_[static_cast<std::size_t>(size)]; };
  for (std::size_t k = 0; fits && k < declared.sizes.size(); ++k) {
    const std::int64_t wanted = expected(declared.sizes[k]);
    fits = wanted <= 0 || given.size(static_cast<std::int64_t>(k)) == wanted;
  }
  if (fits) return;
  std::vector<std::string> wanted;
  for (std::size_t k = 0; k < declared.sizes.size(); ++k) {
    const std::int64_t size = expected(declared.sizes[k]);
    wanted.push_back(size > 0 ? std::to_string(size) : info.sizes[k]);
  }
  throw Error(fmt::format("its output '{}' is declared [{}] = [{}], {}, on {}, but it gave [{}], {}{}, on {}{}", info.name,
                          fmt::join(info.sizes, ", "), fmt::join(wanted, ", "), any_floating_point(info.type) ? "floating point" : "float32",
                          batch.device.str(), fmt::join(given.sizes().vec(), ", "), type_name(given.scalar_type()),
                          given.layout() == at::kStrided ? "" : ", not dense", given.device().str(), faulty()));
}

void NodeCheck::forward_is_sound(const PortSlots& inputs, const std::vector<std::pair<std::string, std::size_t>>& outputs,
                                 std::vector<OutputSlot>& slots, const CheckedBatch& batch, bool trains, bool loss) {
  bool from_gradient = false;
  for (const auto& [name, connected] : inputs)
    for (const std::size_t slot : connected) {
      const OutputSlot& one = slots[slot];
      from_gradient = from_gradient || (one.value.defined() && one.value.requires_grad());
      if (version_of(one.value) != one.value_version || version_of(one.float32) != one.float32_version)
        throw Error(
            fmt::format("it wrote into its input '{}', which others read too, the backward pass among them: clone() it first, or take "
                        "operations whose names do not end in '_'{}",
                        name, faulty()));
    }
  bind(inputs, slots, batch);
  bool any = false, gradient = false;
  for (const auto& [name, slot] : outputs) {
    const at::Tensor& given = slots[slot].value;
    if (!given.defined()) continue;
    const Port* const declared = port(outputs_, name);
    if (declared->info->type != PortType::samples) output_is_as_declared(*declared, given, batch);
    any = true;
    gradient = gradient || given.requires_grad();
    slots[slot].keep_versions();
  }
  if (!batch.training || !batch.gradient || !any || gradient || info_->no_gradient) return;
  if (loss && from_gradient)
    throw Error(
        fmt::format("its loss has no gradient although its inputs have one, so that nothing would be trained by it: it was detached, or "
                    "computed under at::NoGradGuard{}",
                    faulty()));
  if (trains)
    throw Error(
        fmt::format("it has weights to train, but none of its outputs has a gradient, so that they would never change: leave out detach() and "
                    "at::NoGradGuard, or state no_gradient() in describe() and its tensors by state(){}",
                    faulty()));
}

}  // namespace cdc
