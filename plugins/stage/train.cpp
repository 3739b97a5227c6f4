#include "train.hpp"

#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/schema.hpp"
#include "training.hpp"

namespace cdc_stage {

void Train::describe(cdc::Schema<Train>& s) {
  s.version(2);
  s.summary("Trains a graph of nodes on a data set.");
  s.param(&Train::epochs, "epochs", "Passes over the data").at_least(1);
  s.param(&Train::batch_size, "batch_size", "Images in a step; the rest that does not fill a batch waits for the next epoch").at_least(2);
  s.param(&Train::restarts, "restarts", "Trainings from different seeds; the one whose loss in its last epoch is least is kept").range(1, 1000);
  s.port(&Train::loss, "loss", "The node's output to make small", cdc::PortType::scalar).required();
  s.port(&Train::prediction, "prediction", "Cluster logits; the assignment is their argmax on plain views", cdc::PortType::logits);
  s.component(&Train::optimizer, "optimizer", "How parameters follow their gradients").required();
  s.component(&Train::schedule, "schedule", "The learning rate over time; constant where none is given");
  s.param(&Train::score_every, "score_every",
          "Epochs between two looks at the prediction of the whole set, for metrics.jsonl: confidence, agreement with the look before and, under the "
          "name 'oracle', scores against labels; 0: none")
      .at_least(0);
  s.port(&Train::score_features, "score_features", "Features whose k-means clusters are scored at each look: the curve of a method without clusters",
         cdc::PortType::embeddings);
  s.param(&Train::score_clusters, "score_clusters", "How many clusters k-means finds there").range(0, 1e6);
  s.param(&Train::keep, "keep",
          "Which epoch's weights are the result: the last, that of the least mean loss, of the most confident prediction, or, by labels and so no "
          "unsupervised result, of the highest ACC; the latter two are of the epochs that score_every looks at")
      .choices({"last", "least_loss", "most_confident", "oracle"});
  s.param(&Train::precision, "precision", "Of forward and backward passes; auto: bfloat16 where the device has it in hardware")
      .choices({"auto", "float32", "bfloat16"});
  s.param(
       &Train::batch_statistics, "batch_statistics",
       "Batch-normalization statistics of a look at the whole set, and of the result: the running ones; re-estimated, the mean over the set's plain "
       "views in batches of batch_size; auto: re-estimated where training was so short that (1 - momentum)^steps is above 0.01 (momentum 0.1: 43 "
       "steps or fewer), since running ones are then still made of what they were before it")
      .choices({"auto", "running", "reestimated"});
  s.param(&Train::evaluation_batch_size, "evaluation_batch_size", "Images in a batch of a pass over the whole set").at_least(1);
  s.param(&Train::checkpoint_seconds, "checkpoint_seconds", "A checkpoint is written after each epoch, and within one after this time")
      .at_least(0)
      .no_effect_on_result();
  s.param(&Train::batches_in_flight, "batches_in_flight", "Batches rendered ahead").range(1, 64).no_effect_on_result();
  s.input(kData).input(kWeights.as_optional()).output(kModel);
  s.output_if(
      kAssignment, [](const Train& t) { return !t.prediction.empty(); }, "set prediction = \"NODE\" to the node that gives cluster logits");
  s.graph();
}

cdc::Value Train::resolved(const std::string& device) const {
  cdc::Value v = cdc::Value::table();
  v["precision"] = cdc::resolve_precision(precision, device);
  return v;
}

void Train::check() const {
  if (score_every > 0 && prediction.empty() && score_features.empty())
    throw cdc::Error("'score_every' looks at the prediction, or at 'score_features': set prediction = \"NODE\", or score_features");
  if (!score_features.empty() && (score_every == 0 || score_clusters < 2))
    throw cdc::Error("'score_features' wants to know when, and for how many clusters: set score_every = 1 or more and score_clusters = 2 or more");
  if ((keep == "most_confident" || keep == "oracle") && prediction.empty())
    throw cdc::Error(fmt::format("keep = \"{}\" chooses by the prediction: set prediction = \"NODE\"", keep));
  if ((keep == "most_confident" || keep == "oracle") && score_every == 0)
    throw cdc::Error(fmt::format("keep = \"{}\" chooses among the epochs that are looked at: set score_every = 1 or more", keep));
}

void Train::run(cdc::StageContext& context) { Training(*this, context).run(); }

}  // namespace cdc_stage
CDC_PLUGIN(cdc_stage::Train, "stage.train")
