#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <fmt/format.h>

#include <algorithm>

#include "cdc/error.hpp"
#include "cdc/neighbors.hpp"
#include "cdc/random.hpp"
#include "cdc/sampler.hpp"

namespace {

/// One of a sample's nearest neighbours, each as likely (SCAN, Van Gansbeke et al., arXiv 2005.12320, section 2.1): by cosine, among the features
/// that the weights at hand give before training, so those of the pretext. A sample is no neighbour of its own; SCAN's code has it as one of k + 1.
/// The search is that of cdc/neighbors.hpp: exact, N^2 D multiplications.
class NeighborSampler final : public cdc::Sampler {
 public:
  std::int64_t count = 20;
  at::Tensor neighbors;

  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "What samples are compared by"};

  static void describe(cdc::Schema<NeighborSampler>& s) {
    s.version(2);  // 2: float64 where float32 products cannot tell distances apart
    s.summary("A nearest neighbour of each sample, found before training (SCAN).");
    s.param(&NeighborSampler::count, "neighbors",
            "Nearest neighbours k of a sample, of which one is picked at random in each epoch (SCAN: 20; ImageNet 50)")
        .range(1, 100000);
    s.input(kFeatures).state(&NeighborSampler::neighbors, "neighbors");
  }

  void build(const cdc::BuildContext&) override { neighbors = at::empty({0, count}, at::kInt); }

  void begin_training(cdc::WholeSet& all) override {
    const std::int64_t n = all.size();
    if (n <= count) throw cdc::Error(fmt::format("{} samples have no {} neighbours each: set neighbors to {} or less", n, count, n - 1));
    const at::Tensor raw = all.features(kFeatures), x = raw / at::linalg_vector_norm(raw, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
    if (!x.isfinite().all().item<bool>()) throw cdc::Error("the features are not all finite numbers: look at the weights that give them");
    // Of rows of length 1 the nearest by distance are those of the largest cosine.
    const at::Tensor rows = x.contiguous();
    const cdc::Neighbors found = cdc::nearest_neighbors(rows.data_ptr<float>(), n, rows.size(1), count, cdc::Distance::euclidean);
    neighbors = at::empty({n, count}, at::kInt);
    std::copy(found.index.begin(), found.index.end(), neighbors.data_ptr<std::int32_t>());
    table_ = neighbors;
  }

  // Comes before each pass: the loader threads read a table that no device has to be asked for.
  void train(bool) override { table_ = neighbors.cpu(); }

  std::int64_t pick(std::uint64_t seed, std::int64_t epoch, std::int64_t sample) const override {
    if (sample >= table_.size(0))
      throw cdc::Error(fmt::format("it knows neighbours of {} samples, and none of sample {}: they are found before training, on the data trained on",
                                   table_.size(0), sample));
    const auto k = static_cast<std::uint64_t>(table_.size(1));
    const auto which = static_cast<std::int64_t>(cdc::Random(seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(sample)).below(k));
    return table_.data_ptr<std::int32_t>()[sample * table_.size(1) + which];
  }

 private:
  at::Tensor table_;
};

}  // namespace
CDC_PLUGIN(NeighborSampler, "sampler.neighbors")
