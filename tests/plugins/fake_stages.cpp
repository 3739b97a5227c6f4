// Stages that do little and can be told to misbehave: what the scheduler's tests run. Each writes "begin NAME" and "end NAME" to the file named by
// CDC_FAKE_TRACE, so that a test sees what ran, in any process.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"

namespace {

void trace(const std::string& line) {
  const char* path = std::getenv("CDC_FAKE_TRACE");
  if (path == nullptr) return;
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
  const std::string text = line + "\n";
  if (fd < 0 || ::write(fd, text.data(), text.size()) < 0) std::abort();
  ::close(fd);
}

class Traced {
 public:
  explicit Traced(const cdc::StageContext& context) : name_(context.name()) { trace("begin " + name_); }
  ~Traced() { trace("end " + name_); }

 private:
  std::string name_;
};

void wait_ms(const cdc::StageContext& context, std::int64_t milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (std::chrono::steady_clock::now() < end) {
    if (context.stopping()) throw cdc::Stopped("asked to stop");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

class FakeSet final : public cdc::Dataset {
 public:
  FakeSet(std::int64_t size, std::int64_t broken, std::string prefix) : size_(size), broken_(broken), prefix_(std::move(prefix)) {
    for (std::int64_t i = 0; i < size; ++i) labels_.push_back(static_cast<std::int32_t>(i % 2));
  }
  std::int64_t size() const override { return size_; }
  int channels() const override { return 1; }
  std::array<int, 2> image_size() const override { return {1, 1}; }
  /// A pixel as bright as its number.
  cdc::Image image(std::int64_t i) const override {
    if (i == broken_) throw cdc::Error("picture " + std::to_string(i) + " is torn");
    return {1, 1, 1, std::make_shared<const std::uint8_t>(static_cast<std::uint8_t>(i))};
  }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "train"; }
  std::string sample_name(std::int64_t i) const override { return prefix_ + std::to_string(i); }

 private:
  std::int64_t size_, broken_;
  std::string prefix_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_{"even", "odd"};
};

std::shared_ptr<const cdc::Assignment> all_in_one_cluster(const cdc::Dataset& data) {
  auto assignment = std::make_shared<cdc::Assignment>();
  assignment->cluster.resize(static_cast<std::size_t>(data.size()));
  assignment->clusters = 1;
  return assignment;
}

class FakeData final : public cdc::Stage {
 public:
  std::int64_t samples = 8, broken = -1;
  std::string path, warning;
  static constexpr cdc::Out<cdc::Dataset> kData{"data", "The set"};
  static void describe(cdc::Schema<FakeData>& s) {
    s.summary("A set of numbered nothings.").uncached().unseeded();
    s.param(&FakeData::samples, "samples", "Number of samples").at_least(1);
    s.param(&FakeData::broken, "broken", "The sample whose image cannot be read").no_effect_on_result();
    s.param(&FakeData::path, "path", "A file or folder that it depends on; samples' names begin with what a file holds");
    s.param(&FakeData::warning, "warning", "What it warns of").no_effect_on_result();
    s.output(kData);
  }
  std::vector<std::filesystem::path> files() const override {
    if (path.empty()) return {};
    return {path};
  }
  void run(cdc::StageContext& context) override {
    const Traced traced(context);
    context.summary("samples", samples);
    if (!warning.empty()) context.warn(warning);
    std::string prefix;
    std::getline(std::ifstream(path), prefix);
    context.out(kData, std::shared_ptr<const cdc::Dataset>(std::make_shared<FakeSet>(samples, broken, prefix)));
  }
};

class FakePart final : public cdc::Component {
 public:
  static constexpr cdc::Kind kKind = cdc::Kind::optimizer;
  double rate = 0.1;
  bool verbose = false;
  static void describe(cdc::Schema<FakePart>& s) {
    s.summary("A part.").version(3);
    s.param(&FakePart::rate, "rate", "A rate");
    s.param(&FakePart::verbose, "verbose", "Says more").no_effect_on_result();
  }
};

class FakeFeatures final : public cdc::Stage {
 public:
  double scale = 1;
  std::int64_t ms = 0;
  std::shared_ptr<FakePart> part;
  static constexpr cdc::In<cdc::Dataset> kData{"data", "The set"};
  static constexpr cdc::Out<cdc::Features> kFeatures{"features", "Its numbers, scaled"};
  static void describe(cdc::Schema<FakeFeatures>& s) {
    s.summary("The samples' numbers.").unseeded();
    s.param(&FakeFeatures::scale, "scale", "Factor");
    s.param(&FakeFeatures::ms, "ms", "How long it takes").at_least(0).no_effect_on_result();
    s.component(&FakeFeatures::part, "part", "A part");
    s.input(kData).output(kFeatures);
  }
  void run(cdc::StageContext& context) override {
    const Traced traced(context);
    const std::int64_t n = context.in(kData)->size();
    wait_ms(context, ms);
    const std::shared_ptr<float> data(new float[static_cast<std::size_t>(n)], std::default_delete<float[]>());
    cdc::parallel_chunks(n, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) data.get()[i] = static_cast<float>(scale * static_cast<double>(i));
    });
    auto features = std::make_shared<cdc::Features>();
    features->rows = n;
    features->columns = 1;
    features->data = data;
    features->protocol["split"] = context.in(kData)->split();
    context.out(kFeatures, std::shared_ptr<const cdc::Features>(features));
  }
};

/// Works in steps, keeps a checkpoint after each, and reports a metric a step.
class FakeCluster final : public cdc::Stage {
 public:
  std::int64_t clusters = 2, steps = 3, ms = 0;
  std::string fail = "no", warning, warning_now;
  static constexpr cdc::In<cdc::Features> kFeatures{"features", "To cluster"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Clusters"};
  static void describe(cdc::Schema<FakeCluster>& s) {
    s.summary("Clusters by remainder.");
    s.param(&FakeCluster::clusters, "clusters", "Number of clusters").at_least(1);
    s.param(&FakeCluster::steps, "steps", "Number of steps").at_least(0);
    s.param(&FakeCluster::ms, "ms", "Of each step").at_least(0).no_effect_on_result();
    s.param(&FakeCluster::fail, "fail", "How it fails").choices({"no", "error", "exception", "other", "memory", "no output"}).no_effect_on_result();
    s.param(&FakeCluster::warning, "warning", "What it warns of").no_effect_on_result();
    s.param(&FakeCluster::warning_now, "warning_now", "What it warns of this once").no_effect_on_result();
    s.input(kFeatures).output(kAssignment);
  }
  void run(cdc::StageContext& context) override {
    const Traced traced(context);
    if (!warning.empty()) context.warn(warning);
    if (!warning_now.empty()) context.warn_now(warning_now);
    std::int64_t done = 0;
    std::uint64_t state = context.seed();
    std::vector<cdc::Value> lines;
    if (std::ifstream checkpoint(context.checkpoint_path()); checkpoint) {
      checkpoint >> done >> state;
      for (std::string line; std::getline(checkpoint, line);)
        if (!line.empty()) lines.push_back(cdc::Value::from_json(line));
      context.metrics(lines);
      context.spent_before(1000);
      context.info("goes on from step " + std::to_string(done));
      trace("resume " + context.name() + " " + std::to_string(done));
    }
    for (; done < steps; ++done) {
      wait_ms(context, ms);
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      cdc::Value line = cdc::Value::table();
      line["step"] = done;
      line["epoch"] = done + 1;
      line["value"] = static_cast<double>(state >> 11) * 0x1.0p-53;
      lines.push_back(line);
      context.metric(line);
      context.progress({done + 1, steps, "step", ""});
      const std::string temporary = context.checkpoint_path().string() + ".part";
      {
        std::ofstream out(temporary);
        out << done + 1 << ' ' << state << '\n';
        for (const cdc::Value& l : lines) out << l.to_json() << '\n';
      }
      std::filesystem::rename(temporary, context.checkpoint_path());
    }
    if (fail == "error") throw cdc::Error("the clusters are too heavy; take fewer");
    if (fail == "exception") throw std::runtime_error("bad luck\nException raised from nowhere");
    if (fail == "other") throw 7;
    if (fail == "memory") throw std::bad_alloc();
    if (fail == "no output") return;
    const auto features = context.in(kFeatures);
    auto assignment = std::make_shared<cdc::Assignment>();
    assignment->clusters = clusters;
    for (std::int64_t i = 0; i < features->rows; ++i)
      assignment->cluster.push_back(
          static_cast<std::int32_t>((static_cast<std::uint64_t>(features->data.get()[i]) + state) % static_cast<std::uint64_t>(clusters)));
    context.summary("state", static_cast<double>(state >> 11));
    context.out(kAssignment, std::shared_ptr<const cdc::Assignment>(assignment));
  }
};

class FakeScore final : public cdc::Stage {
 public:
  static constexpr cdc::In<cdc::Assignment> kPrediction = cdc::In<cdc::Assignment>{"prediction", "To score"}.as_list();
  static constexpr cdc::In<cdc::Dataset> kData{"data", "With labels"};
  static constexpr cdc::Out<cdc::Scores> kScores{"scores", "Scores"};
  static void describe(cdc::Schema<FakeScore>& s) {
    s.summary("Share of samples whose cluster is their label.").unseeded();
    s.input(kPrediction).input(kData).output(kScores).scores(kPrediction, {"acc"});
  }
  void run(cdc::StageContext& context) override {
    const Traced traced(context);
    auto scores = std::make_shared<cdc::Scores>();
    const std::vector<std::int32_t>& labels = context.in(kData)->labels();
    for (std::size_t i = 0; i < context.connections(kPrediction); ++i) {
      const auto prediction = context.in(kPrediction, i);
      double hits = 0;
      for (std::size_t j = 0; j < labels.size(); ++j) hits += prediction->cluster[j] == labels[j] ? 1 : 0;
      cdc::Value& row = scores->values[context.source(kPrediction, i)];
      row["acc"] = hits / static_cast<double>(labels.size());
      row["protocol"]["split"] = "train";
    }
    context.out(kScores, std::shared_ptr<const cdc::Scores>(scores));
  }
};

std::atomic<int> here{0};

/// Ends only when another of its kind is at work at the same time.
class FakeMeeting final : public cdc::Stage {
 public:
  std::string guest;
  static constexpr cdc::In<cdc::Dataset> kData{"data", "The set"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Nothing much"};
  static void describe(cdc::Schema<FakeMeeting>& s) {
    s.summary("Waits for its like.");
    s.param(&FakeMeeting::guest, "guest", "Any text");
    s.input(kData).output(kAssignment);
  }
  void run(cdc::StageContext& context) override {
    ++here;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (here < 2) {
      if (std::chrono::steady_clock::now() > end) throw cdc::Error("nobody came");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    context.out(kAssignment, all_in_one_cluster(*context.in(kData)));
  }
};

/// Has a graph of nodes; must never run beside another of its kind.
class FakeGraphStage final : public cdc::Stage {
 public:
  static constexpr cdc::In<cdc::Dataset> kData{"data", "The set"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Nothing much"};
  static void describe(cdc::Schema<FakeGraphStage>& s) {
    s.summary("Owns the cores.");
    s.input(kData).output(kAssignment);
  }
  void run(cdc::StageContext& context) override {
    const Traced traced(context);
    static std::atomic<int> inside{0};
    if (++inside > 1) throw cdc::Error("two graphs at once");
    wait_ms(context, 20);
    --inside;
    context.out(kAssignment, all_in_one_cluster(*context.in(kData)));
  }
};

/// No output: runs every time.
class FakeReport final : public cdc::Stage {
 public:
  static constexpr cdc::In<cdc::Scores> kScores{"scores", "To report"};
  static void describe(cdc::Schema<FakeReport>& s) {
    s.summary("Reports.").uncached().unseeded();
    s.input(kScores);
  }
  void run(cdc::StageContext& context) override {
    const Traced traced(context);
    context.summary("rows", context.in(kScores)->values.as_table().size());
  }
};

}  // namespace

CDC_PLUGIN(FakeData, "fake.data")
CDC_PLUGIN(FakePart, "fake.part")
CDC_PLUGIN(FakeFeatures, "fake.features")
CDC_PLUGIN(FakeCluster, "fake.cluster")
CDC_PLUGIN(FakeScore, "fake.score")
CDC_PLUGIN(FakeMeeting, "fake.meeting")
CDC_PLUGIN(FakeGraphStage, "fake.graph")
CDC_PLUGIN(FakeReport, "fake.report")
