#include "cdc/agglomerative.hpp"

#include <fmt/format.h>

#include "cdc/stage.hpp"
#include "parameters.hpp"

namespace {

class Agglomerative final : public cdc::Stage {
 public:
  std::int64_t clusters = 10;
  std::string linkage = "ward";
  std::int64_t max_samples = 20000;
  std::string normalise = "none";

  static constexpr cdc::In<cdc::Features> kFeatures{"features", "What is clustered, a row a sample"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Each sample's cluster"};

  static void describe(cdc::Schema<Agglomerative>& s) {
    s.version(2);  // 2: samples beyond max_samples by float64 where float32 products cannot tell distances apart
    s.summary(
        "Agglomerative clustering: of all pairs of clusters the nearest merges, until K are left. Exact, in time that grows with the square of "
        "samples.");
    s.param(&Agglomerative::clusters, "clusters", "Number of clusters, K").range(1, 1000000).required();
    s.param(
         &Agglomerative::linkage, "linkage",
         "The distance of clusters: growth of the sum of squares (ward), or mean (average), greatest (complete) or least (single) distance of pairs")
        .choices({"ward", "average", "complete", "single"});
    s.param(&Agglomerative::max_samples, "max_samples",
            "Of more samples than this a random one of this many is clustered, and every other sample goes to the cluster of the nearest mean. The "
            "distances take 2 N^2 bytes, 4 GB at most; ward's 4 N^2, of more than 128 columns alone, and beyond 4 GB (31,622 samples) it goes on "
            "without, slower")
        .range(2, 1e9);
    cdc_cluster::normalise_parameter(s);
    s.size("K", &Agglomerative::clusters);
    s.input(kFeatures).output(kAssignment);
  }

  void run(cdc::StageContext& context) override {
    const auto features = context.in(kFeatures);
    const cdc_cluster::Rows rows(*features, normalise);
    using Linkage = cdc::AgglomerativeOptions::Linkage;
    cdc::AgglomerativeOptions options;
    options.clusters = clusters;
    options.linkage = linkage == "average"    ? Linkage::average
                      : linkage == "complete" ? Linkage::complete
                      : linkage == "single"   ? Linkage::single
                                              : Linkage::ward;
    options.max_samples = max_samples;
    options.seed = context.seed();
    const cdc::AgglomerativeResult result =
        cdc::agglomerative_clustering(rows.data(), features->rows, features->columns, options, [&](std::int64_t done, std::int64_t total) {
          if (done % 64 == 0 || done == total) context.progress({done, total, "merge", ""});
          return !context.stopping();
        });
    const auto clustered = static_cast<std::int64_t>(result.rows.size());
    if (clustered < features->rows)
      context.info(fmt::format("{} of {} samples, drawn at random, are clustered; the others go to the cluster of the nearest mean", clustered,
                               features->rows));
    // The first merge that was left undone.
    if (const std::int64_t undone = clustered - clusters; undone < clustered - 1 && result.merges[static_cast<std::size_t>(undone)].height <= 0)
      context.warn(
          fmt::format("fewer than {} samples have distinct features: equal ones are in several clusters; lower clusters, or look at what computed "
                      "the features",
                      clusters));

    auto assignment = std::make_shared<cdc::Assignment>();
    assignment->cluster = result.labels;
    assignment->clusters = clusters;
    cdc::Value& protocol = assignment->protocol = cdc::Value::table();
    protocol["method"] = "agglomerative clustering";
    protocol["linkage"] = linkage;
    protocol["normalise"] = normalise;
    protocol["clustered_samples"] = clustered;
    protocol["other_samples"] = clustered < features->rows ? "to the nearest cluster mean" : "none";
    protocol["features"] = features->protocol;
    context.out(kAssignment, std::shared_ptr<const cdc::Assignment>(std::move(assignment)));
    context.summary("clustered_samples", clustered);
  }
};

}  // namespace

CDC_PLUGIN(Agglomerative, "cluster.agglomerative")
