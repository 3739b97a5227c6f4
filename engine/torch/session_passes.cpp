// The session's passes over the whole set: features, and the batch-normalization statistics by which they are taken.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "cdc/random.hpp"
#include "torch/session.hpp"

namespace cdc {

/// Plain views of the samples of `order` through the nodes of `mask`; after each batch `each(done)`.
void Session::pass(std::vector<std::int64_t> order, std::int64_t batch_size, const std::vector<bool>& mask,
                   const std::function<void(std::int64_t done)>& each) {
  BatchRequest request;
  request.data = options_.data;
  std::vector<std::size_t> augments;
  for (const std::size_t i : all_augments_) {
    if (!mask[i]) continue;
    augments.push_back(i);
    request.augments.push_back(nodes_[i].augment);
    request.sizes.push_back(nodes_[i].size);
    request.names.push_back(nodes_[i].who);
  }
  request.order = std::move(order);
  request.batch_size = batch_size;
  request.seed = options_.seed;
  request.batches_in_flight = options_.batches_in_flight;
  position_ = {};
  std::int64_t done = 0;
  BatchPipeline pipeline(std::move(request));
  for (RenderedBatch batch; pipeline.next(batch);) {
    for (OutputSlot& s : slots_) s = {};
    take_batch(batch, augments, false);
    run_nodes(&mask);
    done += static_cast<std::int64_t>(batch.samples.size());
    each(done);
  }
  for (OutputSlot& s : slots_) s = {};
}

/// Batch-normalization statistics estimated over the set, of the nodes of a mask; those before come back with it unless they are kept.
class Session::BatchStatistics {
 public:
  BatchStatistics(Session& session, const std::vector<bool>& mask, const std::function<void(std::int64_t, std::int64_t)>& progress) {
    const SessionOptions& options = session.options_;
    if (session.trained_for_ <= 0 || options.statistics_batch_size <= 0) return;
    std::vector<bool> run(mask.size(), false);
    std::set<Node*> begun;
    const auto end = [&] {
      for (Node* node : begun) node->end_statistics();
    };
    for (std::size_t i = 0; i < mask.size(); ++i) {
      const BuiltNode& n = session.nodes_[i];
      if (!mask[i] || n.node == nullptr || begun.count(n.node) > 0) continue;
      std::vector<std::pair<at::Tensor, at::Tensor>> before;
      for (const NamedTensor& t : session.tensors_of(n))
        if (!t.trainable) before.emplace_back(t.tensor, t.tensor.clone());
      const int layers = n.node->begin_statistics(session.trained_for_, options.statistics_share);
      if (layers == 0) continue;
      layers_ += layers;
      begun.insert(n.node);
      before_.insert(before_.end(), before.begin(), before.end());
      for (std::size_t k = 0; k < run.size(); ++k) run[k] = run[k] || n.needs[k];
    }
    if (layers_ == 0) return;
    // In batches as training's, drawn at random: of a set in the order of its classes each would be of one class.
    const std::int64_t size = options.data->size(), batch = std::min(options.statistics_batch_size, size);
    std::vector<std::int64_t> order = Random(options.seed, static_cast<std::uint64_t>(session.trained_for_), 0, 0, 0xba7c4).permutation(size);
    order.resize(static_cast<std::size_t>(size / batch * batch));
    try {
      session.pass(std::move(order), batch, run, [&](std::int64_t done) {
        if (progress) progress(done, size / batch * batch);
      });
    } catch (...) {
      end();
      put_back();
      throw;
    }
    end();
  }
  ~BatchStatistics() { put_back(); }
  BatchStatistics(const BatchStatistics&) = delete;
  BatchStatistics& operator=(const BatchStatistics&) = delete;
  void keep() { before_.clear(); }
  std::int64_t layers() const { return layers_; }

 private:
  void put_back() {
    for (auto& [tensor, value] : before_) tensor.copy_(value);
    before_.clear();
  }
  std::int64_t layers_ = 0;
  std::vector<std::pair<at::Tensor, at::Tensor>> before_;  ///< tensors, and what they were
};

std::int64_t Session::estimate_statistics(const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const at::NoGradGuard no_gradient;
  set_training(false);
  BatchStatistics statistics(*this, std::vector<bool>(nodes_.size(), true), progress);
  statistics.keep();
  trained_for_ = 0;
  return statistics.layers();
}

/// What a node gave for the present batch of plain views, a row a sample.
at::Tensor Session::rows_of(std::size_t slot) const {
  const BuiltNode& n = nodes_[node_of_slot(slot)];
  const std::string& port = std::find_if(n.outputs.begin(), n.outputs.end(), [&](const auto& one) { return one.second == slot; })->first;
  const at::Tensor& value = output(n.plan->name, port);
  const std::int64_t samples = indices_.size(0);
  if (value.dim() < 2 || value.size(0) != 1 || value.size(1) != samples)
    at_node(n, doing(), [&] {
      throw Error(
          fmt::format("its output '{}' is wanted for each sample of the whole set, but it gave [{}] for a batch of {}: name an output of sizes "
                      "V,B,...",
                      port, fmt::join(value.sizes().vec(), ", "), samples));
    });
  return value.detach()[0];  // the only view
}

at::Tensor Session::features_of_slot(std::size_t slot, std::int64_t batch_size, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const at::NoGradGuard no_gradient;
  const std::vector<bool>& mask = nodes_[node_of_slot(slot)].needs;
  set_training(false);
  const std::int64_t total = options_.data->size();
  const BatchStatistics statistics(*this, mask, [&](std::int64_t, std::int64_t) {
    if (progress) progress(0, total);  // it may want to stop
  });
  std::vector<std::int64_t> order(static_cast<std::size_t>(total));
  std::iota(order.begin(), order.end(), 0);
  at::Tensor all;
  pass(std::move(order), batch_size, mask, [&](std::int64_t done) {
    const at::Tensor rows = rows_of(slot);
    if (!all.defined()) {
      std::vector<std::int64_t> shape = rows.sizes().vec();
      shape[0] = total;
      all = at::empty(shape, at::kFloat);
    }
    all.narrow(0, done - rows.size(0), rows.size(0)).copy_(rows);
    if (progress) progress(done, total);
  });
  return all;
}

}  // namespace cdc
