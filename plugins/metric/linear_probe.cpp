#include <fmt/format.h>

#include "cdc/logistic.hpp"
#include "cdc/stage.hpp"
#include "held_out.hpp"

namespace {

using cdc::metric::HeldOut;
using cdc::metric::Range;

class LinearProbe final : public cdc::Stage {
 public:
  double c = 1;
  bool standardise = true;
  double tolerance = 1e-5;
  int max_iterations = 1000;
  std::string fit_split = "train";

  static void describe(cdc::Schema<LinearProbe>& s) {
    s.summary("Evaluation only, uses labels: accuracy of a linear classifier (multinomial logistic regression) of frozen features on another split.");
    s.param(&LinearProbe::c, "C", "Inverse of the strength of L2 regularisation, as scikit-learn's: sum of losses + |W|^2 / (2 C)")
        .range(1e-12, 1e12);
    s.param(&LinearProbe::standardise, "standardise", "Bring each column to mean 0 and standard deviation 1, those of the split fitted on, first");
    s.param(&LinearProbe::tolerance, "tolerance", "The fit ends when no derivative of the mean loss is larger").range(1e-12, 1);
    s.param(&LinearProbe::max_iterations, "max_iterations", "Iterations of L-BFGS at most").range(1, 1000000);
    s.param(&LinearProbe::fit_split, "fit_split", "The split that is fitted on; all others of the data set are scored");
    cdc::metric::FeatureMetric::describe_ports(s, {"linear_probe_acc"});
  }

  void run(cdc::StageContext& context) override {
    const auto score_one = [&](const cdc::Features& features, const cdc::Dataset& data, const HeldOut& split, const std::string& source) {
      if (split.single)
        throw cdc::Error(
            fmt::format("stage '{}' has the one split '{}', and a linear probe must be scored on samples that it was not fitted on: open "
                        "two, as split = \"train+test\"",
                        context.source(cdc::metric::FeatureMetric::kData, 0), split.fit_on));
      try {
        return score(context, features, data, split, source);
      } catch (const cdc::Stopped&) {
        throw;
      } catch (const cdc::Error& e) {
        throw cdc::Error(fmt::format("the features of stage '{}' cannot be scored: {}", source, e.what()));
      }
    };
    cdc::metric::score_each(context, fit_split, "a linear probe", false, score_one);
  }

 private:
  cdc::Value score(cdc::StageContext& context, const cdc::Features& features, const cdc::Dataset& data, const HeldOut& split,
                   const std::string& source) const {
    const float* x = features.data.get();
    const std::int64_t d = features.columns;
    const std::int32_t* labels = data.labels().data();
    cdc::LogisticOptions options;
    options.c = c;
    options.standardise = standardise;
    options.tolerance = tolerance;
    options.max_iterations = max_iterations;
    const cdc::LogisticModel model =
        cdc::fit_logistic(x + split.fit.begin * d, labels + split.fit.begin, split.fit.count, d, static_cast<std::int64_t>(data.class_names().size()),
                          options, [&](const cdc::LogisticProgress& p) {
                            context.progress({p.iteration, max_iterations, "iteration", fmt::format("loss {:.4f}", p.loss)});
                            return !context.stopping();
                          });
    if (!model.converged)
      context.warn(fmt::format("the linear probe of '{}' was ended after {} iterations before it converged: raise max_iterations, or tolerance",
                               source, model.iterations));
    std::int64_t right = 0;
    for (const Range& range : split.scored) {
      const auto predicted = cdc::predict_logistic(model, x + range.begin * d, range.count);
      for (std::int64_t i = 0; i < range.count; ++i) right += predicted[static_cast<std::size_t>(i)] == labels[range.begin + i];
    }
    cdc::Value out = cdc::Value::table();
    out["linear_probe_acc"] = static_cast<double>(right) / static_cast<double>(split.scored_samples());
    cdc::Value& protocol = out["protocol"] = cdc::Value::table();
    protocol["evaluation"] = "linear probe of features; uses labels";
    protocol["split"] = data.split();
    protocol["fit_on"] = split.fit_on;
    protocol["scored_on"] = split.scored_on;
    protocol["fit_samples"] = split.fit.count;
    protocol["samples"] = split.scored_samples();
    protocol["classes"] = cdc::metric::classes_of(data);
    protocol["C"] = c;
    protocol["standardised"] = standardise;
    protocol["iterations"] = model.iterations;
    protocol["converged"] = model.converged;
    protocol["features"] = features.protocol;
    return out;
  }
};

}  // namespace

CDC_PLUGIN(LinearProbe, "metric.linear_probe")
