#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"
#include "collection.hpp"

namespace cdc::metric {

/// Samples begin .. begin + count - 1.
struct Range {
  std::int64_t begin = 0, count = 0;
};

/// The samples that a classifier of features is fitted on, and those that it is scored on.
struct HeldOut {
  Range fit;
  std::vector<Range> scored;
  std::string fit_on, scored_on;  ///< names of the splits
  bool single = false;            ///< the data set is one split: both are all of it

  std::int64_t scored_samples() const {
    std::int64_t sum = 0;
    for (const Range& range : scored) sum += range.count;
    return sum;
  }
};

/// Takes the data set apart by Dataset::parts(): the split called `fit_split`, and all others. cdc::Error where there are several and none is called
/// so.
inline HeldOut held_out(const Dataset& data, const std::string& fit_split, const std::string& stage) {
  HeldOut out;
  std::vector<SplitPart> parts;
  for (const SplitPart& part : data.parts())
    if (part.samples > 0) parts.push_back(part);
  if (parts.size() == 1) {
    out.fit = {0, data.size()};
    out.scored = {out.fit};
    out.fit_on = out.scored_on = data.split();
    out.single = true;
    return out;
  }
  std::string names;
  std::int64_t begin = 0;
  bool found = false;
  for (const SplitPart& part : parts) {
    names += (names.empty() ? "" : ", ") + part.name;
    if (!found && part.name == fit_split) {
      out.fit = {begin, part.samples};
      out.fit_on = part.name;
      found = true;
    } else {
      out.scored.push_back({begin, part.samples});
      out.scored_on += (out.scored_on.empty() ? "" : "+") + part.name;
    }
    begin += part.samples;
  }
  if (!found) throw Error(fmt::format("stage '{}' has the splits {}, and none called '{}' to fit on: set fit_split", stage, names, fit_split));
  return out;
}

/// cdc::Error where `what` cannot be computed: the features are not of this data set or not finite, or it has no labels; with `directions`, where a
/// sample's features are all 0.
inline void check_features(const Features& features, const Dataset& data, const std::string& source, const std::string& stage, const char* what,
                           bool directions) {
  if (features.rows != data.size())
    throw Error(fmt::format("stage '{}' gives features of {} samples, but stage '{}' has {}: score features against the data set they were taken of",
                            source, features.rows, stage, data.size()));
  check_collection(features.collection, source, data, stage);
  if (data.labels().empty()) throw Error(fmt::format("stage '{}' has no labels: {} needs them", stage, what));
  constexpr std::int64_t kChunk = 1024;
  const std::int64_t d = features.columns;
  const float* x = features.data.get();
  std::vector<std::int64_t> bad(static_cast<std::size_t>((features.rows + kChunk - 1) / kChunk), -1);
  parallel_chunks(features.rows, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* row = x + i * d;
      if (std::all_of(row, row + d, [](float v) { return std::isfinite(v); }) &&
          !(directions && std::all_of(row, row + d, [](float v) { return v == 0; })))
        continue;
      bad[static_cast<std::size_t>(begin / kChunk)] = i;
      return;
    }
  });
  for (const std::int64_t i : bad) {
    if (i < 0) continue;
    const float* row = x + i * d;
    const float* found = std::find_if(row, row + d, [](float v) { return !std::isfinite(v); });
    if (found == row + d)
      throw Error(
          fmt::format("stage '{}' gives only zeros for sample {}: {} compares directions; look at what computed the features", source, i, what));
    throw Error(fmt::format("stage '{}' gives {} for sample {}, column {}: {} needs finite numbers; look at what computed the features", source,
                            *found, i, found - row, what));
  }
}

/// What metrics of features by a held-out split take and give.
struct FeatureMetric {
  static constexpr auto kFeatures = In<Features>{"features", "What is scored"}.as_list();
  static constexpr In<Dataset> kData{"data", "The data set that the features were taken of; its labels are used"};
  static constexpr Out<Scores> kScores{"scores", "A table of scores for each input, by the name of its stage"};

  template <class S>
  static void describe_ports(S& s, std::vector<std::string> scores) {
    s.version(2).unseeded();
    s.input(kFeatures).input(kData).output(kScores);
    s.scores(kFeatures, std::move(scores));
  }
};

/// Gives `score(features, data, split, source)` of each connected input; errors name the input's stage. `what` and `directions`: see
/// check_features().
template <class Score>
void score_each(StageContext& context, const std::string& fit_split, const char* what, bool directions, Score&& score) {
  const auto data = context.in(FeatureMetric::kData);
  const std::string stage = context.source(FeatureMetric::kData, 0);
  const HeldOut split = held_out(*data, fit_split, stage);
  auto scores = std::make_shared<Scores>();
  scores->values = Value::table();
  for (std::size_t i = 0; i < context.connections(FeatureMetric::kFeatures); ++i) {
    const std::string source = context.source(FeatureMetric::kFeatures, i);
    const auto features = context.in(FeatureMetric::kFeatures, i);
    check_features(*features, *data, source, stage, what, directions);
    scores->values[source] = score(*features, *data, split, source);
  }
  context.out(FeatureMetric::kScores, std::shared_ptr<const Scores>(std::move(scores)));
}

}  // namespace cdc::metric
