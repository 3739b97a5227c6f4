#pragma once

#include <filesystem>

#include "plugin/registry.hpp"
#include "support/files.hpp"

namespace cdc::test {

inline std::filesystem::path test_plugins() { return binary_folder() / "tests/planning_plugins/planning_test_plugins.so"; }

/// The plugins of tests/plugins/test_plugins.cpp.
inline const Registry& registry() {
  static const Registry* const made = [] {
    auto* r = new Registry;
    r->load_library(test_plugins());
    return r;
  }();
  return *made;
}

/// A pipeline with everything in it and nothing wrong.
inline const char* good_pipeline() {
  return R"([pipeline]
name = "good"
seed = 7

[stage.images]
plugin   = "dataset.test"
root     = "${CDC_TEST_UNSET_VARIABLE:-here}/images"
channels = 3

[stage.pretext]
plugin    = "stage.train"
in.data   = "images"
epochs    = 20
loss      = "loss"
optimizer = { plugin = "optimizer.sgd", lr = 1, momentum = 0.9 }

[stage.pretext.graph.views]
plugin = "augment.views"
size   = 32

[stage.pretext.graph.encoder]
plugin    = "backbone.test"
in.images = "views"
width     = 64

[stage.pretext.graph.slow]
follows   = "encoder"
in.images = "views"
momentum  = 0.99

[stage.pretext.graph.head]
plugin       = "head.test"
in.features  = "encoder"
clusters     = 10
over         = 30

[stage.pretext.graph.slow_head]
plugin      = "head.test"
in.features = "slow.features"
clusters    = 10

[stage.pretext.graph.codes]
plugin    = "assign.codes"
in.logits = "slow_head.cluster"

[stage.pretext.graph.first]
plugin      = "loss.test"
in.cluster  = "head.cluster"
in.instance = "head.instance"
in.codes    = "codes"

[stage.pretext.graph.second]
plugin   = "loss.ensemble"
in.heads = ["head.cluster", "head.second"]

[stage.pretext.graph.loss]
plugin    = "loss.sum"
in.losses = ["first", "second"]
weights   = [1, 0.5]

[stage.tune]
plugin     = "stage.train"
in.data    = "images"
in.weights = "pretext"
loss       = "first"
prediction = "head.cluster"
graph      = "pretext"
[stage.tune.optimizer]
plugin = "optimizer.sgd"
lr     = 0.01
[stage.tune.schedule]
plugin = "schedule.cosine"

[stage.features]
plugin   = "stage.extract"
in.data  = "images"
in.model = "pretext"
node     = "encoder"

[stage.kmeans]
plugin      = "cluster.test"
in.features = "features"
clusters    = 12

[stage.scores]
plugin        = "metric.test"
in.prediction = ["kmeans", "tune"]
in.data       = "images"
)";
}

}  // namespace cdc::test
