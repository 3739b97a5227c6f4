#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/schema.hpp"
#include "cdc/session.hpp"
#include "cdc/stage.hpp"

namespace {

/// Takes one node's output for every image of a data set: features of a trained model, of an untrained graph, or (the node an augment.plain) pixels.
class Extract final : public cdc::Stage {
 public:
  static constexpr cdc::In<cdc::Dataset> kData{"data", "The images"};
  static constexpr cdc::In<cdc::Model> kModel{"model", "Weights, and the graph they belong to; without it the stage's own graph, untrained"};
  static constexpr cdc::Out<cdc::Features> kFeatures{"features",
                                                     "A row an image, in the data set's order; more dimensions than one are laid out flat"};

  std::string node;
  std::int64_t batch_size = 512;
  std::string precision = "auto";
  std::int64_t batches_in_flight = 2;

  static void describe(cdc::Schema<Extract>& s) {
    s.summary("Features of every image of a data set, from a node of a graph, on plain views.");
    s.port(&Extract::node, "node", "The output to take", std::nullopt, "model").required();
    s.param(&Extract::batch_size, "batch_size", "Images in a batch").at_least(1);
    s.param(&Extract::precision, "precision", "Of the forward pass; auto: bfloat16 where the device has it in hardware")
        .choices({"auto", "float32", "bfloat16"});
    s.param(&Extract::batches_in_flight, "batches_in_flight", "Batches rendered ahead").range(1, 64).no_effect_on_result();
    s.input(kData).input(kModel.as_optional()).output(kFeatures);
    s.graph();
  }

  cdc::Value resolved(const std::string& device) const override {
    cdc::Value v = cdc::Value::table();
    v["precision"] = cdc::resolve_precision(precision, device);
    return v;
  }

  void run(cdc::StageContext& context) override {
    const auto data = context.in(kData);
    const bool trained = context.connections(kModel) > 0;
    const auto session = context.session(trained ? kModel.name : "");
    cdc::SessionOptions options;
    options.data = data;
    options.device = context.device();
    options.bfloat16 = cdc::resolve_precision(precision, context.device()) == "bfloat16";
    options.batches_in_flight = static_cast<int>(batches_in_flight);
    options.threads = context.threads();
    options.seed = context.seed();
    session->build(options);
    if (trained) session->load_state(context.in(kModel)->state, cdc::Names::ours);
    const auto [name, port] = context.port("node");
    at::Tensor rows = session->features(name, port, batch_size, [&](std::int64_t done, std::int64_t total) {
      if (context.stopping()) throw cdc::Stopped("stopped while extracting features; the same command starts this stage again");
      context.progress({done, total, "image", ""});
    });
    rows = rows.reshape({rows.size(0), -1}).contiguous();
    auto features = std::make_shared<cdc::Features>();
    features->rows = rows.size(0);
    features->columns = rows.size(1);
    features->data = std::shared_ptr<const float>(rows.data_ptr<float>(), [rows](const float*) {});
    features->protocol = cdc::Value::table();
    features->protocol["split"] = data->split();
    features->protocol["features"] = name + "." + port;
    features->protocol["weights"] = trained ? context.source(kModel, 0) : std::string("untrained");
    if (trained) features->protocol["model"] = context.in(kModel)->protocol;
    context.out(kFeatures, std::shared_ptr<const cdc::Features>(std::move(features)));
  }
};

}  // namespace
CDC_PLUGIN(Extract, "stage.extract")
