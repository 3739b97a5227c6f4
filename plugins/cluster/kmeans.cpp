#include "cdc/kmeans.hpp"

#include <fmt/format.h>

#include "cdc/stage.hpp"
#include "parameters.hpp"

namespace {

class KMeans final : public cdc::Stage {
 public:
  std::int64_t clusters = 10;
  int restarts = 3;
  int max_iterations = 300;
  double tolerance = 1e-4;
  std::string init = "k-means++";
  bool spherical = false;
  std::string normalise = "none";

  static constexpr cdc::In<cdc::Features> kFeatures{"features", "What is clustered, a row a sample"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Each sample's cluster: the nearest centre"};

  static void describe(cdc::Schema<KMeans>& s) {
    s.summary("k-means: greedy k-means++, Lloyd's iterations, the best of several starts.");
    s.version(2);  // 2: float64 where float32 products cannot tell distances apart
    s.param(&KMeans::clusters, "clusters", "Number of clusters, K").range(1, 1000000).required();
    s.param(&KMeans::restarts, "restarts", "Independent starts; the one of least inertia is kept").range(1, 1000);
    s.param(&KMeans::max_iterations, "max_iterations", "Iterations of a start at most").range(1, 1000000);
    s.param(&KMeans::tolerance, "tolerance", "A start ends when the centres' squared movement is at most this times the mean variance of a column")
        .range(0, 1);
    cdc_cluster::kmeans_parameters(s);
    s.size("K", &KMeans::clusters);
    s.input(kFeatures).output(kAssignment);
  }

  void run(cdc::StageContext& context) override {
    const auto features = context.in(kFeatures);
    const cdc_cluster::Rows rows(*features, normalise);
    cdc::KMeansOptions options;
    options.clusters = clusters;
    options.restarts = restarts;
    options.max_iterations = max_iterations;
    options.tolerance = tolerance;
    options.start = cdc_cluster::start_of(init);
    options.spherical = spherical;
    options.seed = context.seed();
    const cdc::KMeansResult result = cdc::kmeans(rows.data(), features->rows, features->columns, options, [&](const cdc::KMeansProgress& p) {
      context.progress({p.restart, restarts, "restart", fmt::format("iteration {}  {:.1f} % changed", p.iteration + 1, 100 * p.changed)});
      return !context.stopping();
    });
    if (!result.converged)
      context.warn(fmt::format("k-means was ended by max_iterations = {} before it converged: raise it, or tolerance", max_iterations));
    if (result.empty > 0)
      context.warn(fmt::format("{} of {} clusters are empty: {}", result.empty, clusters,
                               cdc::distinct_rows(rows.data(), features->rows, features->columns, clusters) < clusters
                                   ? "fewer samples than clusters have distinct features; lower clusters"
                                   : "the last assignment took their samples; raise max_iterations or restarts, or lower tolerance"));

    auto assignment = std::make_shared<cdc::Assignment>();
    assignment->cluster = result.labels;
    assignment->clusters = clusters;
    cdc::Value& protocol = assignment->protocol = cdc::Value::table();
    protocol["method"] = spherical ? "spherical k-means" : "k-means";
    protocol["init"] = init;
    protocol["restarts"] = restarts;
    protocol["chosen_by"] = "least inertia";
    protocol["normalise"] = normalise;
    protocol["inertia"] = result.inertia;
    protocol["features"] = features->protocol;
    context.out(kAssignment, std::shared_ptr<const cdc::Assignment>(std::move(assignment)));
    context.summary("inertia", result.inertia);
    context.summary("iterations", result.iterations);
    context.summary("restart", result.restart);
    context.summary("converged", result.converged);
  }
};

}  // namespace

CDC_PLUGIN(KMeans, "cluster.kmeans")
