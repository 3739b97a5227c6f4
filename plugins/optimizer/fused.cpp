#include "fused.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

namespace cdc {

void FusedOptimizer::setup(std::vector<NamedTensor> parameters) {
  slots_.clear();
  for (NamedTensor& p : parameters) {
    Slot slot;
    slot.decay = decay == "all" || p.decay;
    for (std::size_t i = 0; i < memory_names().size(); ++i) slot.memory.push_back(at::zeros_like(p.tensor.detach(), at::MemoryFormat::Preserve));
    slot.parameter = std::move(p);
    slots_.push_back(std::move(slot));
  }
  steps_ = at::zeros({static_cast<std::int64_t>(slots_.size())}, at::kLong);
}

std::vector<NamedTensor> FusedOptimizer::state() {
  std::vector<NamedTensor> all{{"steps", steps_}};
  const std::vector<std::string> names = memory_names();
  for (const Slot& slot : slots_)
    for (std::size_t i = 0; i < names.size(); ++i) all.push_back({slot.parameter.name + "." + names[i], slot.memory[i]});
  return all;
}

FusedOptimizer::Work FusedOptimizer::work() const {
  constexpr std::int64_t kRun = std::int64_t{1} << 15;
  Work w;
  w.gradients.resize(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const at::Tensor& p = slots_[i].parameter.tensor;
    at::Tensor g = p.grad();
    if (!g.defined()) continue;
    w.with_gradient.push_back(i);
    const bool fused = p.is_cpu() && p.scalar_type() == at::kFloat && p.is_non_overlapping_and_dense();
    // The loops go through memory as it lies, so a gradient laid out otherwise is copied into the parameter's layout.
    if (fused && (g.scalar_type() != at::kFloat || g.strides() != p.strides())) g = at::empty_like(p.detach()).copy_(g);
    w.gradients[i] = g;
    if (!fused) {
      w.on_device.push_back(i);
      continue;
    }
    for (std::int64_t first = 0; first < p.numel(); first += kRun) {
      Span s{i, std::min(kRun, p.numel() - first), p.data_ptr<float>() + first, g.data_ptr<float>() + first, {nullptr, nullptr}};
      for (std::size_t m = 0; m < slots_[i].memory.size(); ++m) s.memory[m] = slots_[i].memory[m].data_ptr<float>() + first;
      w.spans.push_back(s);
    }
  }
  std::int64_t* steps = steps_.data_ptr<std::int64_t>();
  for (const std::size_t i : w.with_gradient) ++steps[i];
  return w;
}

void FusedOptimizer::over(const std::vector<Span>& spans, const std::function<void(const Span&, std::size_t)>& body) {
  std::vector<std::int64_t> begins;  // of each span, counted in numbers, so that threads have as many numbers each
  std::int64_t total = 0;
  for (const Span& s : spans) {
    begins.push_back(total);
    total += s.n;
  }
  // On LibTorch's threads: those of another pool would be woken between two of its loops, and look for work while it computes. Below about 2^16
  // numbers a thread waking it costs more than it saves.
  at::parallel_for(0, total, std::int64_t{1} << 16, [&](std::int64_t begin, std::int64_t end) {
    auto i = static_cast<std::size_t>(std::lower_bound(begins.begin(), begins.end(), begin) - begins.begin());
    for (; i < spans.size() && begins[i] < end; ++i) body(spans[i], i);
  });
}

}  // namespace cdc
