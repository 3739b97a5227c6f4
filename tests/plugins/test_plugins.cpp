// Plugins for the tests of planner, registry and cdc-inspect: every kind of port, parameter and size that a plugin can state, and no work.
#include <stdexcept>

#include "cdc/artifact.hpp"
#include "cdc/augment.hpp"
#include "cdc/error.hpp"
#include "cdc/stage.hpp"

namespace cdc {
class Model;
}

namespace {

using cdc::Schema;

struct TestStage : cdc::Stage {
  void run(cdc::StageContext&) override {}
};
struct TestNode : cdc::Component {
  static constexpr cdc::Kind kKind = cdc::Kind::node;
};
struct TestOptimizer : cdc::Component {
  static constexpr cdc::Kind kKind = cdc::Kind::optimizer;
};
struct TestSchedule : cdc::Component {
  static constexpr cdc::Kind kKind = cdc::Kind::schedule;
};

constexpr cdc::In<cdc::Dataset> kInData{"data", "The images"};

struct Images final : TestStage {
  std::string root = "data";
  int channels = 0, size = 0;
  std::vector<std::string> splits{"train"};
  static void describe(Schema<Images>& s) {
    s.summary("A data set of no images.");
    s.param(&Images::root, "root", "Folder");
    s.param(&Images::channels, "channels", "Channels, 0: not known").range(0, 4);
    s.param(&Images::size, "size", "Height and width, 0: not known").at_least(0);
    s.param(&Images::splits, "splits", "Which parts").choices({"train", "test"}).length(1, 2);
    s.output(cdc::Out<cdc::Dataset>{"data", "The images"});
    s.size("C", &Images::channels).size("H", &Images::size).size("W", &Images::size).uncached();
  }
};

struct Train final : TestStage {
  int epochs = 1;
  std::int64_t batch_size = 256;
  std::string precision = "auto", loss, prediction;
  bool log = false;
  std::shared_ptr<TestOptimizer> optimizer;
  std::shared_ptr<TestSchedule> schedule;
  static void describe(Schema<Train>& s) {
    s.summary("Trains nothing.");
    s.param(&Train::epochs, "epochs", "Epochs").at_least(1);
    s.param(&Train::batch_size, "batch_size", "Images a step").range(1, 4096);
    s.param(&Train::precision, "precision", "Precision").choices({"auto", "float32", "bfloat16"});
    s.param(&Train::log, "log", "Write more lines").no_effect_on_result();
    s.port(&Train::loss, "loss", "What is minimised", cdc::PortType::scalar).required();
    s.port(&Train::prediction, "prediction", "What tells the clusters", std::nullopt);
    s.component(&Train::optimizer, "optimizer", "The optimiser").required();
    s.component(&Train::schedule, "schedule", "The schedule");
    s.input(kInData).input(cdc::In<cdc::Model>{"weights", "Weights to start from"}.as_optional());
    s.output(cdc::Out<cdc::Model>{"model", "The model"});
    s.output_if(
        cdc::Out<cdc::Assignment>{"assignment", "The clusters"}, [](const Train& t) { return !t.prediction.empty(); }, "set prediction = \"NODE\"");
    s.graph();
  }
};

/// Takes a graph, but needs to name no port of it.
struct Visit final : TestStage {
  std::string only;
  static void describe(Schema<Visit>& s) {
    s.summary("Visits every node, or one.").input(kInData).graph();
    s.port(&Visit::only, "only", "This one alone", std::nullopt);
  }
};

struct Extract final : TestStage {
  std::string node;
  static void describe(Schema<Extract>& s) {
    s.summary("Features of a node.");
    s.port(&Extract::node, "node", "Which node", std::nullopt, "model").required();
    s.input(kInData).input(cdc::In<cdc::Model>{"model", "The model"}.as_optional());
    s.output(cdc::Out<cdc::Features>{"features", "The features"});
    s.graph();
  }
};

/// As Extract, but without a graph of its own.
struct Probe final : TestStage {
  std::string node;
  static void describe(Schema<Probe>& s) {
    s.summary("Looks at a node of a model.");
    s.port(&Probe::node, "node", "Which node", cdc::PortType::embeddings, "model");
    s.input(cdc::In<cdc::Model>{"model", "The model"}.as_optional());
  }
};

/// A model that no graph of this pipeline made.
struct Load final : TestStage {
  static void describe(Schema<Load>& s) { s.summary("A model of a file.").output(cdc::Out<cdc::Model>{"model", "The model"}); }
};

struct Cluster final : TestStage {
  int clusters = 0;
  double tolerance = 1e-4;
  std::vector<double> weights;
  static void describe(Schema<Cluster>& s) {
    s.summary("Clusters nothing.").version(3);
    s.param(&Cluster::clusters, "clusters", "Number of clusters").required().range(2, 1e6);
    s.param(&Cluster::tolerance, "tolerance", "When to stop").range(0, 1);
    s.param(&Cluster::weights, "weights", "Weights").at_least(0);
    s.input(cdc::In<cdc::Features>{"features", "Features of every image"}).output(cdc::Out<cdc::Assignment>{"assignment", "The clusters"});
    s.size("K", &Cluster::clusters);
  }
};

struct Metric final : TestStage {
  static void describe(Schema<Metric>& s) {
    s.summary("Scores nothing.").unseeded();
    s.input(cdc::In<cdc::Assignment>{"prediction", "What is scored"}.as_list()).input(kInData);
    s.output(cdc::Out<cdc::Scores>{"scores", "The scores"});
  }
};

struct Views final : TestNode {
  int size = 0, views = 2, channels = 0;
  std::vector<std::int64_t> crops;
  static void describe(Schema<Views>& s) {
    s.summary("Views of an image.");
    s.param(&Views::size, "size", "Height and width").at_least(0);
    s.param(&Views::views, "views", "Views of an image").at_least(1);
    s.param(&Views::channels, "channels", "Channels").at_least(0);
    s.param(&Views::crops, "crops", "Sizes of further crops").at_least(8);
    s.input(cdc::Augment::kSamples.as_optional()).output(cdc::Augment::kViews);
    s.size("V", &Views::views).size("H", &Views::size).size("W", [](const Views& v) { return v.size; }).size("C", &Views::channels);
  }
};

struct Backbone final : TestNode {
  std::string stem = "cifar";
  int width = 512, channels = 0;
  static void describe(Schema<Backbone>& s) {
    s.summary("A backbone.");
    s.param(&Backbone::stem, "stem", "First layers").choices({"cifar", "imagenet"});
    s.param(&Backbone::width, "width", "Width of the features").at_least(1);
    s.param(&Backbone::channels, "channels", "Channels, 0: as the images have them").at_least(0);
    s.input(cdc::In<cdc::Images>{"images", "Images"}).output(cdc::Out<cdc::Embeddings>{"features", "Features"});
    s.size("D", &Backbone::width).size("C", &Backbone::channels);
  }
};

struct Sampler final : TestNode {
  static void describe(Schema<Sampler>& s) {
    s.summary("Picks samples.");
    s.input(cdc::In<cdc::Embeddings>{"features", "Features"}).output(cdc::Out<cdc::Samples>{"samples", "Samples"});
  }
};

struct Head final : TestNode {
  int clusters = 0, over = 0, instance_dim = 128;
  void check() const override {
    if (over > 0 && over <= clusters) throw cdc::Error("'over' must be more than 'clusters'");
  }
  static void describe(Schema<Head>& s) {
    s.summary("A head.");
    s.param(&Head::clusters, "clusters", "Number of clusters").required().at_least(2);
    s.param(&Head::over, "over", "Number of clusters of the second head, 0: none").at_least(0);
    s.param(&Head::instance_dim, "instance_dim", "Width of the instance part").at_least(1);
    s.input(cdc::In<cdc::Embeddings>{"features", "Features", "V,B,F"});
    s.output(cdc::Out<cdc::Logits>{"cluster", "Cluster logits"}).output(cdc::Out<cdc::Embeddings>{"instance", "Instance part"});
    s.output_if(
        cdc::Out<cdc::Logits>{"second", "Logits of the second head", "V,B,J"}, [](const Head& h) { return h.over > 0; }, "set over = NUMBER");
    s.size("K", &Head::clusters).size("D", &Head::instance_dim).size("J", &Head::over);
  }
};

struct Codes final : TestNode {
  int clusters = 0;
  static void describe(Schema<Codes>& s) {
    s.summary("Codes.");
    s.param(&Codes::clusters, "clusters", "Number of clusters, 0: as the logits have it");
    s.input(cdc::In<cdc::Logits>{"logits", "Logits"}).output(cdc::Out<cdc::Codes>{"codes", "Codes"}).size("K", &Codes::clusters);
  }
};

struct TestLoss final : TestNode {
  double temperature = 0.5;
  static void describe(Schema<TestLoss>& s) {
    s.summary("A loss.");
    s.param(&TestLoss::temperature, "temperature", "Temperature").range(0.001, 10);
    s.input(cdc::In<cdc::Logits>{"cluster", "Cluster logits"});
    s.input(cdc::In<cdc::Embeddings>{"instance", "Instance part"}.as_optional()).input(cdc::In<cdc::Codes>{"codes", "Codes"}.as_optional());
    s.output(cdc::Out<cdc::Scalar>{"loss", "The loss"});
  }
};

struct Sum final : TestNode {
  std::vector<double> weights;
  static void describe(Schema<Sum>& s) {
    s.summary("Losses added up.");
    s.param(&Sum::weights, "weights", "Weights");
    s.input(cdc::In<cdc::Scalar>{"losses", "Losses"}.as_list()).output(cdc::Out<cdc::Scalar>{"loss", "Their sum"});
  }
};

/// Logits of any number of heads, each with clusters of its own.
struct Ensemble final : TestNode {
  static void describe(Schema<Ensemble>& s) {
    s.summary("A loss of several heads.");
    s.input(cdc::In<cdc::Logits>{"heads", "Logits"}.as_list()).output(cdc::Out<cdc::Scalar>{"loss", "The loss"});
  }
};

struct Watch final : TestNode {
  static void describe(Schema<Watch>& s) { s.summary("Writes a line; no outputs.").input(cdc::In<cdc::Embeddings>{"features", "Features"}); }
};

struct Narrow final : TestNode {
  static void describe(Schema<Narrow>& s) {
    s.summary("Takes features of width 4.").input(cdc::In<cdc::Embeddings>{"features", "Features", "V,B,4"});
  }
};

struct Flat final : TestNode {
  static void describe(Schema<Flat>& s) { s.summary("Forgot the views.").input(cdc::In<cdc::Embeddings>{"features", "Features", "B,D"}); }
};

/// A node that goes wrong where `how` says.
struct Odd final : TestNode {
  std::string how = "not";
  int first = 0, second = 0;
  static void describe(Schema<Odd>& s) {
    s.summary("Goes wrong.");
    s.param(&Odd::how, "how", "Where it goes wrong").choices({"not", "size", "negative"});
    s.param(&Odd::first, "first", "A size");
    s.param(&Odd::second, "second", "The same size");
    s.size("S", [](const Odd& o) {
      if (o.how == "size") throw std::runtime_error("the size is a secret");
      return o.how == "negative" ? -1 : 0;
    });
    s.size("T", &Odd::first).size("T", &Odd::second);
  }
};

struct Unmakeable final : TestNode {
  static void describe(Schema<Unmakeable>& s) {
    s.summary("Cannot be made.");
    s.info().create = []() -> std::shared_ptr<cdc::Component> { throw std::runtime_error("out of order"); };
  }
};

struct Sgd final : TestOptimizer {
  double lr = 0.1, momentum = 0;
  bool nesterov = false;
  void check() const override {
    if (nesterov && momentum == 0) throw cdc::Error("'nesterov' needs a 'momentum' above 0");
  }
  static void describe(Schema<Sgd>& s) {
    s.summary("An optimiser.");
    s.param(&Sgd::lr, "lr", "Learning rate").required().range(0, 100);
    s.param(&Sgd::momentum, "momentum", "Momentum").range(0, 1);
    s.param(&Sgd::nesterov, "nesterov", "Nesterov's");
  }
};

struct Cosine final : TestSchedule {
  double warmup_epochs = 0;
  static void describe(Schema<Cosine>& s) {
    s.summary("A schedule.");
    s.param(&Cosine::warmup_epochs, "warmup_epochs", "Epochs of warm-up").at_least(0);
  }
};

}  // namespace

CDC_PLUGIN(Images, "dataset.test")
CDC_PLUGIN(Train, "stage.train")
CDC_PLUGIN(Visit, "stage.visit")
CDC_PLUGIN(Extract, "stage.extract")
CDC_PLUGIN(Probe, "stage.probe")
CDC_PLUGIN(Load, "stage.load")
CDC_PLUGIN(Cluster, "cluster.test")
CDC_PLUGIN(Metric, "metric.test")
CDC_PLUGIN(Views, "augment.views")
CDC_PLUGIN(Backbone, "backbone.test")
CDC_PLUGIN(Sampler, "sampler.test")
CDC_PLUGIN(Head, "head.test")
CDC_PLUGIN(Codes, "assign.codes")
CDC_PLUGIN(TestLoss, "loss.test")
CDC_PLUGIN(Sum, "loss.sum")
CDC_PLUGIN(Ensemble, "loss.ensemble")
CDC_PLUGIN(Watch, "watch.test")
CDC_PLUGIN(Narrow, "odd.narrow")
CDC_PLUGIN(Flat, "odd.flat")
CDC_PLUGIN(Odd, "odd.sizes")
CDC_PLUGIN(Unmakeable, "odd.unmakeable")
CDC_PLUGIN(Sgd, "optimizer.sgd")
CDC_PLUGIN(Cosine, "schedule.cosine")
