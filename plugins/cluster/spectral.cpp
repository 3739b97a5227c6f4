#include "cdc/spectral.hpp"

#include <fmt/format.h>

#include "cdc/stage.hpp"

namespace {

class Spectral final : public cdc::Stage {
 public:
  std::int64_t clusters = 10;
  std::int64_t neighbors = 10;
  std::string distance = "euclidean";
  std::string weights = "connectivity";
  int restarts = 10;

  static constexpr cdc::In<cdc::Features> kFeatures{"features", "What is clustered, a row a sample"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Each sample's cluster"};

  static void describe(cdc::Schema<Spectral>& s) {
    s.version(2);  // 2: float64 where float32 products cannot tell distances apart
    s.summary("Spectral clustering (normalised cuts): eigenvectors of the graph of nearest neighbours, rows at length 1, k-means on them.");
    s.param(&Spectral::clusters, "clusters", "Number of clusters, K").range(1, 10000).required();
    s.param(&Spectral::neighbors, "neighbors", "Nearest samples that each sample is tied to").range(1, 10000);
    s.param(&Spectral::distance, "distance", "What nearest means").choices({"euclidean", "cosine"});
    s.param(&Spectral::weights, "weights",
            "Of the graph's edges: all alike (connectivity), or gaussian, the scale at each sample being the distance to its 7th neighbour "
            "(Zelnik-Manor and Perona 2004)")
        .choices({"connectivity", "gaussian"});
    s.param(&Spectral::restarts, "restarts", "Independent starts of k-means; the one of least inertia is kept").range(1, 1000);
    s.size("K", &Spectral::clusters);
    s.input(kFeatures).output(kAssignment);
  }

  void run(cdc::StageContext& context) override {
    const auto features = context.in(kFeatures);
    cdc::SpectralOptions options;
    options.clusters = clusters;
    options.neighbors = neighbors;
    options.distance = distance == "cosine" ? cdc::Distance::cosine : cdc::Distance::euclidean;
    options.weights = weights == "gaussian" ? cdc::SpectralOptions::Weights::gaussian : cdc::SpectralOptions::Weights::connectivity;
    options.restarts = restarts;
    options.seed = context.seed();
    const cdc::SpectralResult result =
        cdc::spectral_clustering(features->data.get(), features->rows, features->columns, options, [&](const cdc::SpectralProgress& p) {
          context.progress({p.done, p.total, p.step, ""});
          return !context.stopping();
        });
    if (result.components > 1)
      context.warn(
          fmt::format("the graph of {} nearest neighbours falls apart into {} pieces, and no cluster joins two of them: raise neighbors if "
                      "some are small",
                      neighbors, result.components));

    auto assignment = std::make_shared<cdc::Assignment>();
    assignment->cluster = result.labels;
    assignment->clusters = clusters;
    cdc::Value& protocol = assignment->protocol = cdc::Value::table();
    protocol["method"] = "spectral clustering";
    protocol["neighbors"] = neighbors;
    protocol["distance"] = distance;
    protocol["weights"] = weights;
    protocol["components"] = result.components;
    protocol["restarts"] = restarts;
    protocol["chosen_by"] = "least inertia";
    protocol["features"] = features->protocol;
    context.out(kAssignment, std::shared_ptr<const cdc::Assignment>(std::move(assignment)));
    context.summary("components", result.components);
    context.summary("inertia", result.inertia);
    cdc::Value values = cdc::Value::array();
    for (const double v : result.eigenvalues) values.push_back(v);
    context.summary("eigenvalues", std::move(values));
  }
};

}  // namespace

CDC_PLUGIN(Spectral, "cluster.spectral")
