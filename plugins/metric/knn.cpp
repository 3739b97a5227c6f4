#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cdc/neighbors.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"
#include "held_out.hpp"

namespace {

using cdc::metric::HeldOut;
using cdc::metric::Range;

class Knn final : public cdc::Stage {
 public:
  std::int64_t k = 200;
  double temperature = 0.07;
  std::string fit_split = "train";

  static void describe(cdc::Schema<Knn>& s) {
    s.summary(
        "Evaluation only, uses labels: accuracy of classifying samples by their nearest neighbours of another split (Wu et al. 2018). Leave-one-out "
        "where the data set is one split.");
    s.param(&Knn::k, "k", "Neighbours that vote, nearest by cosine").range(1, 1000000);
    s.param(&Knn::temperature, "temperature", "A neighbour's vote weighs exp(cosine / temperature) in knn_acc; in knn_majority_acc all weigh 1")
        .range(1e-3, 1e3);
    s.param(&Knn::fit_split, "fit_split", "The split whose samples and labels vote, where the data set has several; all others are scored");
    cdc::metric::FeatureMetric::describe_ports(s, {"knn_acc", "knn_majority_acc"});
  }

  void run(cdc::StageContext& context) override {
    const auto score_one = [&](const cdc::Features& features, const cdc::Dataset& data, const HeldOut& split, const std::string&) {
      const std::int64_t voters = split.fit.count - (split.single ? 1 : 0);
      if (k > voters)
        throw cdc::Error(fmt::format("k = {} neighbours, but only {} samples of split '{}' can vote: lower k", k, voters, split.fit_on));
      return score(context, features, data, split);
    };
    cdc::metric::score_each(context, fit_split, "kNN accuracy", true, score_one);
  }

 private:
  struct Right {
    std::int64_t weighted = 0, majority = 0;
  };

  cdc::Value score(cdc::StageContext& context, const cdc::Features& features, const cdc::Dataset& data, const HeldOut& split) const {
    const float* x = features.data.get();
    const std::int64_t d = features.columns, all = split.scored_samples();
    const std::int32_t* labels = data.labels().data();
    Right right;
    std::int64_t before = 0;
    for (const Range& range : split.scored) {
      const auto progress = [&](std::int64_t done) {
        context.progress({before + done, all, "sample", ""});
        return !context.stopping();
      };
      const cdc::Neighbors found = split.single ? cdc::nearest_neighbors(x, features.rows, d, k, cdc::Distance::cosine, progress)
                                                : cdc::nearest_neighbors(x + range.begin * d, range.count, x + split.fit.begin * d, split.fit.count,
                                                                         d, k, cdc::Distance::cosine, progress);
      const Right part = vote(found, labels + range.begin, labels + split.fit.begin, static_cast<std::int64_t>(data.class_names().size()));
      right.weighted += part.weighted;
      right.majority += part.majority;
      before += range.count;
    }
    cdc::Value out = cdc::Value::table();
    out["knn_acc"] = static_cast<double>(right.weighted) / static_cast<double>(all);
    out["knn_majority_acc"] = static_cast<double>(right.majority) / static_cast<double>(all);
    cdc::Value& protocol = out["protocol"] = cdc::Value::table();
    protocol["evaluation"] = "kNN classification of features; uses labels";
    protocol["split"] = data.split();
    protocol["fit_on"] = split.fit_on;
    protocol["scored_on"] = split.scored_on;
    protocol["leave_one_out"] = split.single;
    protocol["fit_samples"] = split.fit.count;
    protocol["samples"] = all;
    protocol["classes"] = cdc::metric::classes_of(data);
    protocol["k"] = k;
    protocol["distance"] = "cosine";
    protocol["temperature"] = temperature;
    protocol["features"] = features.protocol;
    return out;
  }

  /// How many queries the votes of their neighbours name rightly; of equal votes the lowest class counts.
  Right vote(const cdc::Neighbors& found, const std::int32_t* truth, const std::int32_t* voters, std::int64_t classes) const {
    constexpr std::int64_t kChunk = 512;
    std::vector<Right> parts(static_cast<std::size_t>((found.queries + kChunk - 1) / kChunk));
    cdc::parallel_chunks(found.queries, kChunk, [&](std::int64_t begin, std::int64_t end) {
      std::vector<double> weight(static_cast<std::size_t>(classes)), count(static_cast<std::size_t>(classes));
      Right& right = parts[static_cast<std::size_t>(begin / kChunk)];
      for (std::int64_t i = begin; i < end; ++i) {
        std::fill(weight.begin(), weight.end(), 0.0);
        std::fill(count.begin(), count.end(), 0.0);
        const float* distance = found.distance.data() + i * k;
        for (std::int64_t j = 0; j < k; ++j) {
          const auto label = static_cast<std::size_t>(voters[found.index[static_cast<std::size_t>(i * k + j)]]);
          // Relative to the nearest: a factor common to all, which keeps the exponential in range.
          weight[label] += std::exp(static_cast<double>(distance[0] - distance[j]) / temperature);
          ++count[label];
        }
        right.weighted += std::max_element(weight.begin(), weight.end()) - weight.begin() == truth[i];
        right.majority += std::max_element(count.begin(), count.end()) - count.begin() == truth[i];
      }
    });
    Right out;
    for (const Right& part : parts) {
      out.weighted += part.weighted;
      out.majority += part.majority;
    }
    return out;
  }
};

}  // namespace

CDC_PLUGIN(Knn, "metric.knn")
