#include <fmt/format.h>

#include "cdc/clustering_metrics.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/stage.hpp"
#include "collection.hpp"

namespace {

class Clustering final : public cdc::Stage {
 public:
  static constexpr auto kPrediction = cdc::In<cdc::Assignment>{"prediction", "What is scored"}.as_list();
  static constexpr cdc::In<cdc::Dataset> kData{
      "data", "The data set whose labels it is scored against; without labels only how samples spread over clusters is told"};
  static constexpr cdc::Out<cdc::Scores> kScores{"scores", "A table of scores for each prediction, by the name of its stage"};

  static void describe(cdc::Schema<Clustering>& s) {
    s.summary("Scores of clusterings against labels: ACC, NMI, ARI, AMI, purity, homogeneity, completeness; and how samples spread over clusters.");
    s.version(2).unseeded();
    s.input(kPrediction).input(kData).output(kScores);
    s.scores(kPrediction, {"acc", "nmi", "ari", "ami", "purity", "homogeneity", "completeness", "v_measure", "entropy", "entropy_nats",
                           "largest_share", "empty_clusters"});
  }

  void run(cdc::StageContext& context) override {
    const auto data = context.in(kData);
    const std::vector<std::int32_t>& labels = data->labels();
    auto scores = std::make_shared<cdc::Scores>();
    scores->values = cdc::Value::table();
    for (std::size_t i = 0; i < context.connections(kPrediction); ++i) {
      const std::string source = context.source(kPrediction, i);
      const auto prediction = context.in(kPrediction, i);
      if (static_cast<std::int64_t>(prediction->cluster.size()) != data->size())
        throw cdc::Error(fmt::format("stage '{}' assigns {} samples, but stage '{}' has {}: score a prediction against the data set it was made of",
                                     source, prediction->cluster.size(), context.source(kData, 0), data->size()));
      cdc::metric::check_collection(prediction->collection, source, *data, context.source(kData, 0));
      scores->values[source] = score(*prediction, labels, *data, source);
      progress(context, i);
    }
    if (labels.empty()) context.warn(fmt::format("stage '{}' has no labels: no ACC, NMI or other score against them", context.source(kData, 0)));
    context.out(kScores, std::shared_ptr<const cdc::Scores>(std::move(scores)));
  }

 private:
  static void progress(cdc::StageContext& context, std::size_t i) {
    context.progress({static_cast<std::int64_t>(i) + 1, static_cast<std::int64_t>(context.connections(kPrediction)), "prediction", ""});
  }

  static cdc::Value score(const cdc::Assignment& prediction, const std::vector<std::int32_t>& labels, const cdc::Dataset& data,
                          const std::string& source) {
    cdc::Value out = cdc::Value::table();
    const auto n = static_cast<std::int64_t>(prediction.cluster.size());
    try {
      std::vector<std::int64_t> sizes;
      if (labels.empty()) {
        sizes = cdc::cluster_sizes(prediction.cluster.data(), n, prediction.clusters);
      } else {
        const auto classes = static_cast<std::int64_t>(data.class_names().size());
        const cdc::Contingency table = cdc::contingency(prediction.cluster.data(), labels.data(), n, prediction.clusters, classes);
        const cdc::ClusteringScores s = cdc::clustering_scores(table);
        out["acc"] = s.accuracy;
        out["nmi"] = s.nmi;
        out["ari"] = s.ari;
        out["ami"] = s.ami;
        out["purity"] = s.purity;
        out["homogeneity"] = s.homogeneity;
        out["completeness"] = s.completeness;
        out["v_measure"] = s.v_measure;
        sizes = table.cluster_sizes;
      }
      const cdc::ClusterSpread spread = cdc::cluster_spread(sizes);
      out["entropy"] = spread.entropy;
      out["entropy_nats"] = spread.entropy_nats;
      out["largest_share"] = spread.largest_share;
      out["empty_clusters"] = spread.empty;
    } catch (const cdc::Error& e) {
      throw cdc::Error(fmt::format("the prediction of stage '{}' cannot be scored: {}", source, e.what()));
    }
    cdc::Value& protocol = out["protocol"] = cdc::Value::table();
    protocol["scored_on"] = data.split();
    protocol["samples"] = n;
    protocol["clusters"] = prediction.clusters;
    if (labels.empty()) {
      protocol["note"] = "no labels: only how samples spread over clusters";
    } else {
      protocol["classes"] = cdc::metric::classes_of(data);
      protocol["matching"] = "Hungarian, one to one";
      protocol["nmi_average"] = "arithmetic";
    }
    protocol["prediction"] = prediction.protocol;
    return out;
  }
};

}  // namespace

CDC_PLUGIN(Clustering, "metric.clustering")
