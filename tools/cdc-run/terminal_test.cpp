#include "cdc-run/terminal.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "common/program.hpp"

namespace cdc::program {
namespace {

class TerminalTest : public ::testing::Test {
 protected:
  Terminal make(bool live, int width = 80) {
    return Terminal(out, errors, live, width, [this] { return time; });
  }
  std::string take() {
    std::string text = out.str();
    out.str("");
    return text;
  }
  std::ostringstream out, errors;
  double time = 100;
};

TEST_F(TerminalTest, NamesThatWouldDriveTheTerminalAreShownAsTheyAreWritten) {
  Terminal terminal = make(true);
  terminal.info("a\x1b[2J", "class '\x1b]0;x\a'");
  terminal.warn("b\r", "file \x1b[1m");
  terminal.progress("c\x1b[H", {1, 2, "step", "\x1b[31mred"});
  EXPECT_EQ(errors.str(), "warning: stage 'b\\u000d': file \\u001b[1m\n");
  const std::string all = take();
  EXPECT_NE(all.find("a\\u001b[2J"), std::string::npos) << all;
  EXPECT_NE(all.find("\\u001b[31mred"), std::string::npos) << all;
  for (std::size_t at = all.find('\x1b'); at != std::string::npos; at = all.find('\x1b', at + 1)) EXPECT_EQ(all.substr(at, 3), "\x1b[K");
}

TEST(TerminalText, Durations) {
  EXPECT_EQ(duration_text(0.04), "0.0 s");
  EXPECT_EQ(duration_text(3.21), "3.2 s");
  EXPECT_EQ(duration_text(59.94), "59.9 s");
  EXPECT_EQ(duration_text(59.96), "1:00");
  EXPECT_EQ(duration_text(245.4), "4:05");
  EXPECT_EQ(duration_text(3723), "1:02:03");
}

TEST(TerminalText, TablesOfAllScores) {
  const Value summary =
      Value::from_json(R"({"scores":{"cdc":{"acc":0.67215,"nmi":0.6,"ari":0.5,"purity":0.7,"entropy":0.99,"empty_clusters":0,"protocol":{}},
    "kmeans_pixels":{"entropy":1.0,"empty_clusters":2,"protocol":{}}}})");
  EXPECT_EQ(score_table(summary),
            "                    ACC       NMI       ARI    purity   entropy     empty\n"
            "cdc              0.6722    0.6000    0.5000    0.7000    0.9900         0\n"
            "kmeans_pixels         -         -         -         -    1.0000         2\n");
  const std::string features = R"("knn.pixels":{"knn_acc":0.84591,"knn_majority_acc":0.8407,"protocol":{"fit_on":"train","scored_on":"test"}},
    "probe.pixels":{"linear_probe_acc":0.75,"protocol":{}})";
  const std::string expected =
      "                   kNN  majority     probe\n"
      "knn.pixels      0.8459    0.8407         -  fitted on train, scored on test\n"
      "probe.pixels         -         -    0.7500\n";
  EXPECT_EQ(score_table(Value::from_json(R"({"scores":{)" + features + "}}")), expected);
  EXPECT_EQ(score_table(Value::from_json(R"({"scores":{"cdc":{"acc":0.5,"protocol":{}},)" + features + "}}")),
            "          ACC       NMI       ARI    purity   entropy     empty\n"
            "cdc    0.5000         -         -         -         -         -\n"
            "\n" +
                expected);
  // A row that several stages scored: in both tables, with each pair of splits once.
  EXPECT_EQ(score_table(Value::from_json(R"({"scores":{"cdc":{"acc":0.5,"knn_acc":0.25,"linear_probe_acc":0.75,"protocol":{"scored_on":"train","also":
    {"knn":{"fit_on":"train","scored_on":"test"},"probe":{"fit_on":"train","scored_on":"test"},"more":{"fit_on":"test","scored_on":"train"}}}}}})")),
            "          ACC       NMI       ARI    purity   entropy     empty\n"
            "cdc    0.5000         -         -         -         -         -\n"
            "\n"
            "          kNN  majority     probe\n"
            "cdc    0.2500         -    0.7500  fitted on train, scored on test; fitted on test, scored on train\n");
  EXPECT_EQ(score_table(Value::from_json(R"({"scores":{}})")), "");
}

TEST(TerminalText, StatusOfADryRun) {
  EXPECT_EQ(status_text({{"images", "dataset.idx", "k", false, true, "'train' needs it", true},
                         {"other", "dataset.idx", "k", false, true, "not needed", false},
                         {"train", "stage.train", "k", false, false, "parameter 'epochs' changed: 1 -> 2", true},
                         {"features", "stage.extract", "k", true, false, "", false}}),
            "images    runs because 'train' needs it\n"
            "other     not needed\n"
            "train     runs because parameter 'epochs' changed: 1 -> 2\n"
            "features  cached\n");
}

TEST_F(TerminalTest, ElsewhereLinesAreSparse) {
  Terminal terminal = make(false);
  terminal.info("", "run directory runs/p/now");
  terminal.stage_cached("features", "stage.extract");
  terminal.stage_begins("train", "stage.train", "no result with this key");
  EXPECT_EQ(take(),
            "run directory runs/p/now\n"
            "features         cached\n"
            "train            runs: no result with this key\n");
  for (int step = 0; step <= 1000; ++step) {
    time += 0.1;
    terminal.progress("train", {step, 1000, "step", "loss 0.9"});
  }
  const std::string lines = take();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 10);  // each tenth
  EXPECT_EQ(lines.substr(0, lines.find('\n')), "train            loss 0.9  ETA 1:30");
  EXPECT_EQ(lines.find('\r'), std::string::npos);
  time += 40;
  terminal.progress("slow", {1, 1000, "image", ""});
  time += 10;
  terminal.progress("slow", {2, 1000, "image", ""});
  EXPECT_EQ(take(), "");
  time += 25;
  terminal.progress("slow", {8, 1000, "image", ""});
  EXPECT_EQ(take(), "slow             image 8/1000  ETA 1:22:40\n") << "35 s for 7 images";
  terminal.stage_ends("train", 245);
  EXPECT_EQ(take(), "train            done in 4:05\n");
}

TEST_F(TerminalTest, WhatIsKeptHasItsLine) {
  for (const bool live : {false, true}) {
    Terminal terminal = make(live);
    terminal.progress("train", {0, 40, "step", "epoch 1"});
    time += 1;
    take();
    terminal.progress("train", {10, 40, "step", "epoch 1 ends", true});
    EXPECT_EQ(take(), live ? "\r\x1b[Ktrain            epoch 1 ends  ETA 3.0 s\n" : "train            epoch 1 ends  ETA 3.0 s\n");
    time += 1;
    terminal.progress("train", {19, 40, "step", "epoch 2"});
    EXPECT_EQ(take(), live ? "\rtrain            epoch 2  ETA 2.2 s\x1b[K" : "") << "a tenth of the way is no news beside epochs";
    time += 35;
    terminal.progress("train", {20, 40, "step", "epoch 2"});
    EXPECT_EQ(take(), live ? "\rtrain            epoch 2  ETA 37.0 s\x1b[K" : "train            epoch 2  ETA 37.0 s\n");
  }
}

TEST_F(TerminalTest, OnATerminalOneLineLives) {
  Terminal terminal = make(true, 60);
  terminal.progress("train", {0, 10, "epoch", "loss 1.0"});
  EXPECT_EQ(take(), "\rtrain            loss 1.0\x1b[K");
  time += 0.01;
  terminal.progress("train", {1, 10, "epoch", "loss 0.9"});
  EXPECT_EQ(take(), "");  // not more often than the eye follows
  time += 1;
  terminal.progress("train", {2, 10, "epoch", "loss 0.8"});
  EXPECT_EQ(take(), "\rtrain            loss 0.8  ETA 4.0 s\x1b[K");
  terminal.warn("train", "collapsing");
  EXPECT_EQ(errors.str(), "warning: stage 'train': collapsing\n");
  EXPECT_EQ(take(), "\r\x1b[K\rtrain            loss 0.8  ETA 4.0 s\x1b[K");
  time += 1;
  terminal.progress("kmeans", {1, 3, "restart", ""});
  EXPECT_EQ(take(), "\rkmeans           restart 1/3  |  train            loss 0...\x1b[K");
  terminal.stage_ends("kmeans", 1);
  terminal.stage_ends("train", 2);
  take();
  terminal.info("", "end");
  EXPECT_EQ(take(), "end\n");
}

}  // namespace
}  // namespace cdc::program
