#include <fstream>
#include <regex>

#include "e2e/small_pipeline.hpp"

namespace cdc::test {
namespace {

using PipelineTest = SmallPipeline;

int occurrences(const std::string& text, const std::string& word) {
  int count = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++count;
  return count;
}

std::vector<std::string> ran(const Value& summary) {
  std::vector<std::string> names;
  for (const auto& [name, stage] : summary.at("stages").as_table())
    if (!stage.at("cached").as_boolean() && name != "images") names.push_back(name);
  return names;
}

TEST_F(PipelineTest, WeightsStandInTheRunDirectoryUnlessTheyAreToStayInTheCache) {
  const fs::path weights = folder_ / "runs" / "small" / "latest" / "cdc.model.safetensors";
  ASSERT_EQ(cdc_run({"--no-weights"}).code, 0);
  EXPECT_FALSE(fs::exists(weights));
  ASSERT_EQ(cdc_run().code, 0);  // all from the cache
  EXPECT_TRUE(fs::exists(weights));
}

TEST_F(PipelineTest, ASweepOverKMeansSettingsTrainsOnce) {
  write_file(folder_ / "s.toml",
             "[sweep]\nbase = \"small.toml\"\nscores = [\"kmeans.acc\"]\n[axes]\nstage.kmeans.clusters = [3, 4]\nstage.kmeans.init = [\"k-means++\", "
             "\"random\"]\n");
  std::vector<std::pair<std::string, std::string>> environment = environment_;
  environment.emplace_back("CDC_CACHE", cache_);
  const ProcessResult r = run_process({binary_folder() / "bin/cdc-sweep", "s.toml", "--jobs", "2"}, folder_, environment, folder_);
  ASSERT_EQ(r.code, 0) << r.out << r.err;
  int trained = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / cache_))
    if (entry.path().filename() == "model.h5") ++trained;
  EXPECT_EQ(trained, 1);
  EXPECT_NE(r.out.find("clusters  init"), std::string::npos) << r.out;
  const std::string curve = read_file(folder_ / "sweeps/s/plots/curve_cdc_loss.svg");
  EXPECT_NE(curve.find("<circle"), std::string::npos) << curve;
}

TEST_F(PipelineTest, RunsScoresAndLeavesARunDirectory) {
  const ProcessResult r = cdc_run({"stage.cdc.epochs=16"});
  ASSERT_EQ(r.code, 0) << r.out << r.err;
  const Value s = summary();
  EXPECT_EQ(s.at("pipeline"), Value("small"));
  EXPECT_EQ(s.at("seed"), Value(1));
  EXPECT_EQ(ran(s), (std::vector<std::string>{"cdc", "features", "kmeans", "scores"}));
  for (const char* what : {"cdc", "kmeans"}) {
    const Value& scores = s.at("scores").at(what);
    for (const char* score : {"acc", "nmi", "ari"}) EXPECT_GE(scores.at(score).as_real(), 0.3) << what << ' ' << score;
    const Value& protocol = scores.at("protocol");
    EXPECT_EQ(protocol.at("scored_on"), Value("train+test"));
    const Value& prediction = protocol.at("prediction");
    const Value& training = std::string(what) == "cdc" ? prediction : prediction.at("features").at("model");
    EXPECT_EQ(training.at("trained_on"), Value("train+test")) << s.to_json(1);
    EXPECT_EQ(training.at("chosen_epoch"), Value("last")) << s.to_json(1);
  }
  std::ifstream lines(folder_ / "runs" / "small" / "latest" / "metrics.jsonl");
  int epochs = 0;
  for (std::string line; std::getline(lines, line);) {
    const Value v = Value::from_json(line);
    if (v.find("epoch") == nullptr) continue;
    EXPECT_EQ(v.at("epoch"), Value(++epochs));
    for (const char* key : {"loss", "entropy", "largest_share", "images_per_second", "waiting_share"}) EXPECT_TRUE(v.at(key).is_real()) << key;
  }
  EXPECT_EQ(epochs, 16);
  EXPECT_NE(r.out.find("ACC"), std::string::npos) << r.out;
}

TEST_F(PipelineTest, OnlyWhatChangedRunsAgain) {
  ASSERT_EQ(cdc_run().code, 0);
  const Value first = summary();
  ASSERT_EQ(cdc_run().code, 0);
  EXPECT_TRUE(ran(summary()).empty()) << summary().to_json(1);
  EXPECT_EQ(first.at("scores"), summary().at("scores"));
  const ProcessResult dry = cdc_run({"--dry-run", "stage.kmeans.restarts=5"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_NE(dry.out.find("restarts"), std::string::npos) << dry.out;
  ASSERT_EQ(cdc_run({"stage.kmeans.restarts=5"}).code, 0);
  EXPECT_EQ(ran(summary()), (std::vector<std::string>{"kmeans", "scores"}));
  ASSERT_EQ(cdc_run({"stage.cdc.batches_in_flight=5"}).code, 0);
  EXPECT_TRUE(ran(summary()).empty()) << "a parameter without effect on the result must not be part of a key";
  ASSERT_EQ(cdc_run({"--seed", "2"}).code, 0);
  EXPECT_EQ(ran(summary()), (std::vector<std::string>{"cdc", "features", "kmeans", "scores"}));
  ASSERT_EQ(cdc_run({"--fresh"}).code, 0);
  EXPECT_EQ(ran(summary()), (std::vector<std::string>{"cdc", "features", "kmeans", "scores"}));
  EXPECT_EQ(first.at("scores"), summary().at("scores")) << "a repeat at one number of compute threads has the same bits";
}

TEST_F(PipelineTest, EpochsAreScoredAndOneIsChosenByTheRuleThatIsNamed) {
  ASSERT_EQ(cdc_run({"stage.cdc.epochs=6"}).code, 0);
  const Value unseen = summary().at("scores").at("cdc");
  const auto lines = [&] {
    std::vector<Value> all;
    std::ifstream file(folder_ / "runs" / "small" / "latest" / "metrics.jsonl");
    for (std::string line; std::getline(file, line);)
      if (Value v = Value::from_json(line); v.find("epoch") != nullptr) all.push_back(std::move(v));
    return all;
  };
  for (const auto& [keep, by] : {std::pair("last", ""), std::pair("least_loss", "least loss"), std::pair("most_confident", "highest confidence"),
                                 std::pair("oracle", "oracle: highest ACC against the labels")}) {
    const ProcessResult r = cdc_run({"stage.cdc.epochs=6", "stage.cdc.score_every=1", std::string("stage.cdc.keep=") + keep});
    ASSERT_EQ(r.code, 0) << r.err;
    const std::vector<Value> epochs = lines();
    ASSERT_EQ(epochs.size(), 6U);
    std::size_t best = 0;
    const auto value = [&](std::size_t i) {
      const std::string rule = keep;
      if (rule == "least_loss") return -epochs[i].at("loss").as_real();
      if (rule == "most_confident") return epochs[i].at("confidence").as_real();
      return rule == "oracle" ? epochs[i].at("oracle").at("acc").as_real() : static_cast<double>(i);
    };
    for (std::size_t i = 0; i < epochs.size(); ++i) {
      EXPECT_EQ(epochs[i].find("agreement") != nullptr, i > 0) << "with the look before";
      for (const char* score : {"acc", "nmi", "ari"}) EXPECT_TRUE(epochs[i].at("oracle").at(score).is_real());
      if (value(i) > value(best)) best = i;
    }
    const Value scores = summary().at("scores").at("cdc");
    const Value& training = scores.at("protocol").at("prediction");
    EXPECT_EQ(scores.at("acc"), epochs[best].at("oracle").at("acc")) << keep;
    EXPECT_EQ(training.at("chosen_epoch"), best + 1 == 6 && std::string(keep) == "last" ? Value("last") : Value(static_cast<std::int64_t>(best) + 1));
    if (std::string(keep) == "last") {
      EXPECT_EQ(training.find("chosen_by"), nullptr);
      EXPECT_EQ(scores, unseen) << "looking changes nothing";
    } else {
      EXPECT_EQ(training.at("chosen_by"), Value(by));
    }
  }
  const auto said = [&](std::vector<std::string> arguments) {
    const ProcessResult r = cdc_run(std::move(arguments));
    EXPECT_EQ(r.code, 2) << r.out;
    return r.err;
  };
  EXPECT_NE(said({"stage.cdc.keep=oracle"}).find("keep = \"oracle\" chooses among the epochs that are looked at: set score_every = 1 or more"),
            std::string::npos);
  const std::string unclear =
      "'score_features' wants to know when, and for how many clusters: set score_every = 1 or more and score_clusters = 2 or more";
  EXPECT_NE(said({"stage.cdc.score_features=encoder", "stage.cdc.score_every=1"}).find(unclear), std::string::npos);
  EXPECT_NE(said({"stage.cdc.score_features=encoder", "stage.cdc.score_clusters=4"}).find(unclear), std::string::npos);

  // Features instead of a prediction, and beside one.
  const std::vector<std::string> features = {"stage.cdc.epochs=6", "stage.cdc.score_every=3", "stage.cdc.score_features=encoder",
                                             "stage.cdc.score_clusters=4"};
  ASSERT_EQ(cdc_run(features).code, 0);
  const std::vector<Value> beside = lines();
  EXPECT_EQ(summary().at("scores").at("cdc"), unseen) << "looking changes nothing";
  write_file(file_, std::regex_replace(read_file(file_), std::regex("prediction = \"head.cluster\"\n|\\[stage.scores\\][^]*"), ""));
  ASSERT_EQ(cdc_run(features).code, 0);
  const std::vector<Value> alone = lines();
  ASSERT_EQ(alone.size(), 6U);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(alone[i].find("oracle"), nullptr);
    EXPECT_EQ(alone[i].find("kmeans") != nullptr, i % 3 == 2);
    if (i % 3 != 2) continue;
    EXPECT_EQ(alone[i].at("kmeans"), beside[i].at("kmeans"));
    EXPECT_GT(alone[i].at("kmeans").at("inertia").as_real(), 0);
    EXPECT_GT(alone[i].at("kmeans").at("oracle").at("acc").as_real(), 0.4);
  }
  EXPECT_NE(said({"stage.cdc.score_every=2"})
                .find("'score_every' looks at the prediction, or at 'score_features': set prediction = \"NODE\", or score_features"),
            std::string::npos);
  EXPECT_NE(said({"stage.cdc.score_every=2", "stage.cdc.score_features=encoder", "stage.cdc.score_clusters=4", "stage.cdc.keep=most_confident"})
                .find("keep = \"most_confident\" chooses by the prediction: set prediction = \"NODE\""),
            std::string::npos);
}

TEST_F(PipelineTest, NoEpochIsChosenByLabelsThatAreNotThere) {
  // One grey pixel.
  const std::string png(
      "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\x0aIDAT\x78\x9c\x63\x68\0\0\0\x82\0\x81"
      "\x77\xcd\x72\xb6\0\0\0\0IEND\xae\x42\x60\x82",
      67);
  fs::create_directories(folder_ / "images");
  for (int i = 0; i < 8; ++i) write_file(folder_ / "images" / (std::to_string(i) + ".png"), png);
  const ProcessResult r = cdc_run({"stage.images.plugin=dataset.image_folder", "stage.images.root=" + (folder_ / "images").string(),
                                   "stage.images.split=all", "stage.images.channels=1", "stage.cdc.graph.views.size=28", "stage.cdc.batch_size=4",
                                   "stage.cdc.score_every=1", "stage.cdc.keep=oracle"});
  EXPECT_EQ(r.code, 4) << r.out;
  EXPECT_NE(r.err.find("keep = \"oracle\" chooses by labels, and stage 'images' has none: choose another"), std::string::npos) << r.err;
}

TEST_F(PipelineTest, ADamagedCacheEntryIsSaidAndComputedAgain) {
  ASSERT_EQ(cdc_run().code, 0);
  const Value first = summary();
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "cache")) {
    if (entry.path().filename() != "features.h5") continue;
    std::fstream f(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(-100, std::ios::end);
    f.put('\x55');
    f.put('\xaa');
  }
  const ProcessResult r = cdc_run({"stage.kmeans.restarts=5"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE((r.out + r.err).find("features.h5"), std::string::npos) << r.out << r.err;
  EXPECT_EQ(first.at("scores").at("cdc"), summary().at("scores").at("cdc"));
}

TEST_F(PipelineTest, MissingDataNameTheLineAndTheRemedy) {
  fs::remove_all(folder_ / "data");
  const ProcessResult r = cdc_run();
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.err.find(file_.string() + ":7:"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find((folder_ / "data").string()), std::string::npos) << r.err;
  EXPECT_EQ(cdc_run({"--check"}).code, 0);
}

TEST_F(PipelineTest, ALossThatIsNotFiniteStopsWithTheNodesName) {
  // Normalised layers forgive a wild learning rate; weight decay that doubles the weights' size each step does not end well.
  const ProcessResult r = cdc_run({"stage.cdc.optimizer={ plugin = \"optimizer.sgd\", lr = 1000, weight_decay = 1 }",
                                   "stage.cdc.schedule.warmup_steps=0", "stage.cdc.epochs=20"});
  EXPECT_EQ(r.code, 4) << r.out << r.err;
  // Sinkhorn looks at its scores before the loss is reached.
  EXPECT_NE(r.err.find("node 'codes' (assign.sinkhorn), epoch "), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("Sinkhorn needs finite scores, but row "), std::string::npos) << r.err;
}

TEST_F(PipelineTest, StoppedBySignalItGoesOnLater) {
  const std::vector<std::string> longer = {"stage.cdc.epochs=20"};  // so that it is at work still when the signal comes
  ASSERT_EQ(cdc_run(longer).code, 0);
  const std::string whole = without_times(summary());
  cache_ = "other";
  fs::remove_all(folder_ / "runs");
  Process p(command(longer), folder_, environment_, folder_);
  // A checkpoint shows that training has begun.
  ASSERT_TRUE(p.reaches([&] { return fs::exists(folder_ / cache_ / "checkpoints") && !fs::is_empty(folder_ / cache_ / "checkpoints"); }));
  p.signal(SIGINT);
  const ProcessResult stopped = p.wait();
  ASSERT_EQ(stopped.code, 5) << stopped.out << stopped.err;
  EXPECT_NE(stopped.err.find("same command"), std::string::npos) << stopped.err;
  const ProcessResult r = cdc_run(longer);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE((r.out + r.err).find("goes on"), std::string::npos) << r.out << r.err;
  EXPECT_EQ(without_times(summary()), whole);
}

TEST_F(PipelineTest, EveryPipelinePassesItsCheckWithoutData) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(source_folder() / "pipelines")) {  // what is in parts/ is no whole pipeline
    if (entry.path().extension() != ".toml") continue;
    ++files;
    const ProcessResult r = run_process({(binary_folder() / "bin/cdc-run").string(), entry.path().string(), "--check"}, folder_,
                                        {{"CDC_FASHION_MNIST", "/nowhere"}}, folder_);
    EXPECT_EQ(r.code, 0) << entry.path() << r.err;
  }
  EXPECT_GE(files, 12);
}

TEST_F(PipelineTest, EveryPipelineIsPrintedAsOneThatMeansTheSame) {
  const auto printed = [&](const fs::path& file) {
    const ProcessResult r = run_process({(binary_folder() / "bin/cdc-run").string(), file.string(), "--print-config"}, folder_, {}, folder_);
    EXPECT_EQ(r.code, 0) << file << r.err;
    return r.out;
  };
  const auto without_comments = [](const std::string& text) {
    std::string out;
    for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
      end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      out += line.substr(0, line.rfind("  # ")) + "\n";
    }
    return out;
  };
  int subsets = 0;
  for (const auto& entry : fs::directory_iterator(source_folder() / "pipelines")) {  // what is in parts/ is no whole pipeline
    if (entry.path().extension() != ".toml") continue;
    const std::string text = printed(entry.path());
    write_file(folder_ / "printed.toml", text);
    EXPECT_EQ(without_comments(printed(folder_ / "printed.toml")), without_comments(text)) << entry.path();
    // A subset by class has a list that is there, and as many clusters as that has classes.
    const std::string key = "\nclasses = \"";
    const std::size_t at = text.find(key);
    if (at == std::string::npos || text[at + key.size()] == '"') continue;
    const std::string list = "\n" + read_file(text.substr(at + key.size(), text.find('"', at + key.size()) - at - key.size()));
    const std::string clusters = "\nclusters = " + std::to_string(occurrences(list, "\nn")) + "  # ";
    EXPECT_EQ(occurrences(text, clusters), 2) << entry.path() << clusters;
    ++subsets;
  }
  EXPECT_GE(subsets, 5);
  const fs::path pipelines = source_folder() / "pipelines";
  const std::string coarse = printed(pipelines / "cdc_cifar100_20.toml");
  EXPECT_NE(coarse.find("label = \"coarse\"  # " + (pipelines / "cdc_cifar100_20.toml").string() + ":"), std::string::npos) << coarse;
  EXPECT_NE(coarse.find("epochs = 500  # " + (pipelines / "cdc_cifar10.toml").string() + ":"), std::string::npos) << coarse;
  // CLC is CDC by its first name.
  std::string clc = without_comments(printed(pipelines / "clc_cifar10.toml"));
  clc.replace(clc.find("clc_cifar10"), 11, "cdc_cifar10");
  EXPECT_EQ(clc, without_comments(printed(pipelines / "cdc_cifar10.toml")));
}

TEST_F(PipelineTest, TheReadmesExampleOfAFileThatExtendsAnother) {
  const std::string base = (source_folder() / "pipelines/cdc_cifar10.toml").string(), readme = read_file(source_folder() / "pipelines/README.md");
  const std::size_t begin = readme.find("extends = \"cdc_cifar10.toml\"");
  ASSERT_NE(begin, std::string::npos);
  std::string text = readme.substr(begin, readme.find("```", begin) - begin);
  text.replace(text.find("cdc_cifar10.toml"), std::string("cdc_cifar10.toml").size(), base);
  file_ = folder_ / "cdc_sgd.toml";
  write_file(file_, text);
  const ProcessResult r = cdc_run({"--print-config"});
  EXPECT_EQ(r.code, 0) << r.err;
  for (const std::string& line : {"epochs = 200  # " + file_.string() + ":8", "batch_size = 256  # " + base + ":19",
                                  "optimizer.lr = 0.06  # " + file_.string() + ":9", std::string("optimizer.weight_decay = 0.0  # default")})
    EXPECT_NE(r.out.find("\n" + line + "\n"), std::string::npos) << line << "\n" << r.out;  // weight decay 1e-5 was Adam's
  for (const char* said : {"`epochs = 200  # cdc_sgd.toml:8`", "`batch_size = 256  # cdc_cifar10.toml:19`"})
    EXPECT_NE(readme.find(said), std::string::npos) << said;
}

TEST_F(PipelineTest, ImageNetRecipeRunsOnAFewPhotographs) {
  const fs::path sample = source_folder() / "../shared/data/imagenet-sample";
  if (!fs::exists(sample)) GTEST_SKIP() << "no sample of ImageNet at " << sample;
  file_ = source_folder() / "pipelines/cdc_imagenet.toml";
  const ProcessResult r = cdc_run({"stage.images.root=" + sample.string(), "stage.cdc.epochs=1", "stage.cdc.batch_size=16",
                                   "stage.cdc.graph.views.size=48", "stage.cdc.graph.head.clusters=10", "stage.kmeans.clusters=10"});
  ASSERT_EQ(r.code, 0) << r.out << r.err;
  const Value s = Value::from_json(read_file(folder_ / "runs" / "cdc_imagenet" / "latest" / "summary.json"));
  EXPECT_TRUE(s.at("scores").at("cdc").at("nmi").is_real());
}

}  // namespace
}  // namespace cdc::test
