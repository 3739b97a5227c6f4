#include <fmt/format.h>

#include "cdc/stage.hpp"
#include "parameters.hpp"

namespace {

class MiniBatchKMeans final : public cdc::Stage {
 public:
  std::int64_t clusters = 10;
  std::int64_t batch_size = 4096;
  int max_passes = 100;
  int inits = 3;
  std::int64_t init_samples = 0;
  double reassignment_ratio = 0.01;
  int max_no_improvement = 10;
  double tolerance = 0;
  std::string init = "k-means++";
  bool spherical = false;
  std::string normalise = "none";

  static constexpr cdc::In<cdc::Features> kFeatures{"features", "What is clustered, a row a sample"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Each sample's cluster: the nearest centre"};

  static void describe(cdc::Schema<MiniBatchKMeans>& s) {
    s.version(2);  // 2: float64 where float32 products cannot tell distances apart
    s.summary("Mini-batch k-means (Sculley 2010): centres follow random batches; for data too many for passes over all of them.");
    s.param(&MiniBatchKMeans::clusters, "clusters", "Number of clusters, K").range(1, 1000000).required();
    s.param(&MiniBatchKMeans::batch_size, "batch_size", "Samples of a batch, drawn with replacement").range(1, 100000000);
    s.param(&MiniBatchKMeans::max_passes, "max_passes", "Batches end after this many times the number of samples").range(1, 1000000);
    s.param(&MiniBatchKMeans::inits, "inits", "First centres tried; those of least inertia on a random sample are kept").range(1, 1000);
    s.param(&MiniBatchKMeans::init_samples, "init_samples",
            "Random samples that first centres are chosen among; 0: as many as 3 batches, or 3 K where that is more")
        .range(0, 1e12);
    s.param(&MiniBatchKMeans::reassignment_ratio, "reassignment_ratio",
            "A centre that got fewer samples than this share of the largest one's is moved to a random sample; 0: none is")
        .range(0, 0.999);
    s.param(&MiniBatchKMeans::max_no_improvement, "max_no_improvement",
            "Ends after this many batches without a new least inertia, smoothed over batches; 0: goes on to max_passes")
        .range(0, 1000000);
    s.param(&MiniBatchKMeans::tolerance, "tolerance",
            "Ends when the centres' squared movement in a batch is at most this times the mean variance of a column; 0: never so")
        .range(0, 1);
    cdc_cluster::kmeans_parameters(s);
    s.size("K", &MiniBatchKMeans::clusters);
    s.input(kFeatures).output(kAssignment);
  }

  void run(cdc::StageContext& context) override {
    const auto features = context.in(kFeatures);
    const cdc_cluster::Rows rows(*features, normalise);
    cdc::MiniBatchKMeansOptions options;
    options.clusters = clusters;
    options.batch_size = batch_size;
    options.max_passes = max_passes;
    options.inits = inits;
    options.init_samples = init_samples;
    options.reassignment_ratio = reassignment_ratio;
    options.max_no_improvement = max_no_improvement;
    options.tolerance = tolerance;
    options.start = cdc_cluster::start_of(init);
    options.spherical = spherical;
    options.seed = context.seed();
    const cdc::KMeansResult result =
        cdc::minibatch_kmeans(rows.data(), features->rows, features->columns, options, [&](const cdc::MiniBatchKMeansProgress& p) {
          context.progress({p.step, p.steps, "batch", p.step == 0 ? "first centres" : fmt::format("inertia a sample {:.4g}", p.inertia)});
          return !context.stopping();
        });
    if (!result.converged && max_no_improvement > 0)
      context.warn(fmt::format("mini-batch k-means was ended by max_passes = {} while it still improved: raise it", max_passes));
    if (result.empty > 0)
      context.warn(fmt::format("{} of {} clusters are empty: raise reassignment_ratio or batch_size, or lower clusters", result.empty, clusters));

    auto assignment = std::make_shared<cdc::Assignment>();
    assignment->cluster = result.labels;
    assignment->clusters = clusters;
    cdc::Value& protocol = assignment->protocol = cdc::Value::table();
    protocol["method"] = spherical ? "spherical mini-batch k-means" : "mini-batch k-means";
    protocol["init"] = init;
    protocol["inits"] = inits;
    protocol["chosen_by"] = "least inertia of the first centres on a random sample";
    protocol["batch_size"] = batch_size;
    protocol["normalise"] = normalise;
    protocol["inertia"] = result.inertia;
    protocol["features"] = features->protocol;
    context.out(kAssignment, std::shared_ptr<const cdc::Assignment>(std::move(assignment)));
    context.summary("inertia", result.inertia);
    context.summary("batches", result.iterations);
    context.summary("converged", result.converged);
  }
};

}  // namespace

CDC_PLUGIN(MiniBatchKMeans, "cluster.minibatch_kmeans")
