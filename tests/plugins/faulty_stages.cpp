// Stages that give wrong artifacts, or end the process, each in the way that its parameter says. Without LibTorch.
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"

namespace {

int* volatile nowhere = nullptr;  ///< the compiler is not to see that

void dies(const std::string& how) {
  if (how == "segv") *nowhere = 1;
  if (how == "fpe") std::raise(SIGFPE);
  if (how == "abort") std::abort();
  if (how == "exit") std::exit(0);
  if (how == "quick_exit") std::quick_exit(0);
}

/// A data set that says things of itself that are not so.
class FaultySet final : public cdc::Dataset {
 public:
  FaultySet(std::int64_t size, std::string how) : size_(size), how_(std::move(how)) {
    for (std::int64_t i = 0; i < size_; ++i) labels_.push_back(static_cast<std::int32_t>(i % 2));
    if (how_ == "label beyond") labels_[3] = 2;
    if (how_ == "label below") labels_[3] = -1;
    if (how_ == "labels short") labels_.pop_back();
    if (how_ == "no labels") labels_.clear();
  }
  std::int64_t size() const override { return how_ == "empty" ? 0 : size_; }
  int channels() const override { return how_ == "channels" ? 2 : 1; }
  std::array<int, 2> image_size() const override { return {how_ == "height" ? 0 : 1, 1}; }
  cdc::Image image(std::int64_t) const override { return {1, 1, 1, std::make_shared<const std::uint8_t>(std::uint8_t{7})}; }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "train"; }
  std::vector<cdc::SplitPart> parts() const override { return {{"train", how_ == "parts" ? size_ + 1 : size_}}; }
  std::string sample_name(std::int64_t i) const override { return "set#" + std::to_string(i); }

 private:
  std::int64_t size_;
  std::string how_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_{"even", "odd"};
};

template <class T>
class Faulty : public cdc::Stage {
 public:
  std::string how = "no";
  static void how_parameter(cdc::Schema<T>& s) { s.param(&T::how, "how", "In which way it is wrong"); }
};

class FaultyData final : public Faulty<FaultyData> {
 public:
  static constexpr cdc::Out<cdc::Dataset> kData{"data", "The set"};
  static void describe(cdc::Schema<FaultyData>& s) {
    s.summary("A wrong data set.").uncached().unseeded();
    how_parameter(s);
    s.output(kData);
  }
  void run(cdc::StageContext& context) override {
    dies(how);
    context.out(kData, how == "null" ? std::shared_ptr<const cdc::Dataset>() : std::make_shared<FaultySet>(8, how));
  }
};

class FaultyFeatures final : public Faulty<FaultyFeatures> {
 public:
  static constexpr cdc::In<cdc::Dataset> kData{"data", "The set"};
  static constexpr cdc::Out<cdc::Features> kFeatures{"features", "Numbers"};
  static void describe(cdc::Schema<FaultyFeatures>& s) {
    s.summary("Wrong features.").unseeded();
    how_parameter(s);
    s.input(kData).output(kFeatures);
  }
  void run(cdc::StageContext& context) override {
    if (how == "dies in a loop") cdc::parallel_chunks(64, 1, [](std::int64_t, std::int64_t) { dies("segv"); });
    if (how == "dies on a thread") std::thread([] { dies("segv"); }).join();
    if (how == "endless recursion") recurse(0);
    dies(how);
    auto features = std::make_shared<cdc::Features>();
    features->rows = context.in(kData)->size() - (how == "a row less" ? 1 : 0);
    features->columns = how == "no columns" ? 0 : 3;
    const std::shared_ptr<float> data(new float[1000](), std::default_delete<float[]>());
    if (how == "nan") data.get()[7] = std::numeric_limits<float>::quiet_NaN();
    if (how == "infinite") data.get()[0] = std::numeric_limits<float>::infinity();
    if (how != "no memory") features->data = data;
    context.out(kFeatures, std::shared_ptr<const cdc::Features>(features));
  }

 private:
  static int recurse(int depth) {
    volatile char room[4096];
    room[depth % 4096] = 1;
    return depth > 1 << 30 ? 0 : recurse(depth + 1) + room[0];
  }
};

class FaultyClusters final : public Faulty<FaultyClusters> {
 public:
  std::int64_t clusters = 2, max_samples = 0;
  static constexpr cdc::In<cdc::Features> kFeatures{"features", "Numbers"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Clusters"};
  static void describe(cdc::Schema<FaultyClusters>& s) {
    s.summary("A wrong assignment.").unseeded();
    how_parameter(s);
    s.param(&FaultyClusters::clusters, "clusters", "How many").at_least(1);
    s.param(&FaultyClusters::max_samples, "max_samples", "At most so many").at_least(0);
    s.size("K", &FaultyClusters::clusters);
    s.input(kFeatures).output(kAssignment);
  }
  void run(cdc::StageContext& context) override {
    dies(how);
    if (how == "memory") throw std::bad_alloc();
    auto out = std::make_shared<cdc::Assignment>();
    out->clusters = how == "another K" ? clusters + 1 : how == "no clusters" ? 0 : clusters;
    out->cluster.resize(static_cast<std::size_t>(how == "short" ? 7 : context.in(kFeatures)->rows));
    if (how == "beyond") out->cluster[4] = 99;
    if (how == "below") out->cluster[4] = -1;
    const std::shared_ptr<const cdc::Assignment> given = how == "null" ? nullptr : out;
    context.out(kAssignment, given);
    if (how == "twice") context.out(kAssignment, given);
  }
};

class FaultyScores final : public Faulty<FaultyScores> {
 public:
  static constexpr cdc::In<cdc::Assignment> kPrediction{"prediction", "Clusters"};
  static constexpr cdc::Out<cdc::Scores> kScores{"scores", "Scores"};
  static void describe(cdc::Schema<FaultyScores>& s) {
    s.summary("Wrong scores.").unseeded();
    how_parameter(s);
    s.input(kPrediction).output(kScores);
  }
  void run(cdc::StageContext& context) override {
    dies(how);
    auto scores = std::make_shared<cdc::Scores>();
    cdc::Value& row = scores->values["clusters"];
    row["acc"] = how == "nan" ? cdc::Value(std::numeric_limits<double>::quiet_NaN()) : how == "text" ? cdc::Value("good") : cdc::Value(0.5);
    if (how == "no row") row = 0.5;
    if (how == "no table") scores->values = cdc::Value(0.5);
    context.out(kScores, std::shared_ptr<const cdc::Scores>(scores));
  }
  ~FaultyScores() override {
    if (how == "throws in its destructor") throw_it();
  }

 private:
  static void throw_it() { throw std::runtime_error("not to be caught"); }
};

/// Dies while it is made.
class FaultyMaking final : public Faulty<FaultyMaking> {
 public:
  static void describe(cdc::Schema<FaultyMaking>& s) {
    s.summary("Dies while it is made.").uncached();
    how_parameter(s);
  }
  FaultyMaking() {
    if (std::getenv("CDC_FAULTY_MAKING") != nullptr && made++ > 0) dies("segv");
  }
  void run(cdc::StageContext&) override {}

 private:
  static inline int made = 0;  ///< the first one is made for its defaults
};

}  // namespace

CDC_PLUGIN(FaultyData, "faulty.data")
CDC_PLUGIN(FaultyFeatures, "faulty.features")
CDC_PLUGIN(FaultyClusters, "faulty.clusters")
CDC_PLUGIN(FaultyScores, "faulty.scores")
CDC_PLUGIN(FaultyMaking, "faulty.making")
