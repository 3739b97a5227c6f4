#include "sweep/sweep_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "support/files.hpp"

namespace cdc {
namespace {

const std::string kHead = "[sweep]\nbase = \"p.toml\"\n";

Sweep read(const std::string& text) { return read_sweep_text(text, "sweeps/s.toml"); }

std::string problems_of(const std::string& text) {
  try {
    read(text);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

/// KEY=VALUE of all that a cell changes.
std::string changes(const SweepCell& cell) {
  std::string out;
  for (const Override& change : cell.changes) out += (out.empty() ? "" : " ") + change.key + "=" + change.value.value().to_json();
  return out;
}

std::vector<std::string> all_changes(const std::string& text) {
  std::vector<std::string> out;
  for (const SweepCell& cell : read(text).cells) out.push_back(changes(cell));
  return out;
}

/// The values on the one axis.
std::string values(const std::string& axis, const std::string& head = kHead) {
  std::string out;
  for (const SweepCell& cell : read(head + "[axes]\nstage.a.x = " + axis + "\n").cells) out += cell.point[0].second.to_json() + " ";
  return out;
}

using Texts = std::vector<std::string>;

TEST(SweepFile, AGridHasEveryCombinationTheLastAxisFirstAndSeedsBeforeThat) {
  EXPECT_EQ(all_changes(kHead + "seeds = [3, 5]\n[axes]\nstage.a.x = [1, 2]\n\"stage.b.y\" = [\"u\", \"v\"]\n"),
            (Texts{"stage.a.x=1 stage.b.y=\"u\" pipeline.seed=3", "stage.a.x=1 stage.b.y=\"u\" pipeline.seed=5",
                   "stage.a.x=1 stage.b.y=\"v\" pipeline.seed=3", "stage.a.x=1 stage.b.y=\"v\" pipeline.seed=5",
                   "stage.a.x=2 stage.b.y=\"u\" pipeline.seed=3", "stage.a.x=2 stage.b.y=\"u\" pipeline.seed=5",
                   "stage.a.x=2 stage.b.y=\"v\" pipeline.seed=3", "stage.a.x=2 stage.b.y=\"v\" pipeline.seed=5"}));
}

TEST(SweepFile, ZippedAxesGoSideBySide) {
  EXPECT_EQ(all_changes(kHead + "mode = \"zip\"\n[axes]\nstage.a.x = [1, 2]\nstage.a.y = [3, 4]\n"),
            (Texts{"stage.a.x=1 stage.a.y=3", "stage.a.x=2 stage.a.y=4"}));
}

TEST(SweepFile, WhatAllHaveComesFirstThenTheVariantThenTheAxes) {
  const Sweep sweep = read(kHead +
                           "[set]\nstage.a.epochs = 2\n[variants.whole]\n[variants.other]\ntitle = \"The other\"\nbase = \"../q.toml\"\n"
                           "stage.a.part = { plugin = \"p.x\", rate = 1 }\nstage.a.plugin = \"p.a\"\n[axes]\nstage.a.x = [1]\n");
  ASSERT_EQ(sweep.cells.size(), 2u);
  EXPECT_EQ(changes(sweep.cells[0]), "stage.a.epochs=2 stage.a.x=1");
  EXPECT_EQ(sweep.cells[0].title, "whole");
  EXPECT_EQ(sweep.cells[0].pipeline, "sweeps/p.toml");
  EXPECT_EQ(changes(sweep.cells[1]), "stage.a.epochs=2 stage.a.part={\"plugin\":\"p.x\",\"rate\":1} stage.a.plugin=\"p.a\" stage.a.x=1");
  EXPECT_EQ(sweep.cells[1].title, "The other");
  EXPECT_EQ(sweep.cells[1].pipeline, "sweeps/../q.toml");
  EXPECT_EQ(sweep.cells[1].changes.back().value.key_where.line, 12);
}

TEST(SweepFile, RangesHaveBothEnds) {
  EXPECT_EQ(values("{ from = 1, to = 9, step = 4 }"), "1 5 9 ");
  EXPECT_EQ(values("{ from = 1, to = 8, step = 4 }"), "1 5 ");
  EXPECT_EQ(values("{ from = 0.1, to = 0.5, step = 0.1 }"), "0.1 0.2 0.3 0.4 0.5 ");
  EXPECT_EQ(values("{ from = 1e-4, to = 1e-2, points = 3, scale = \"log\" }"), "1e-04 0.001 0.01 ");
  EXPECT_EQ(values("{ from = 0, to = 1, points = 3 }"), "0.0 0.5 1.0 ");
}

TEST(SweepFile, DrawnPointsAreTheSameEachTimeAndWithinTheirRange) {
  const std::string text =
      kHead +
      "mode = \"random\"\nsamples = 200\n[axes]\nstage.a.lr = { from = 1e-4, to = 1e-2, scale = \"log\" }\nstage.a.k = { from = 2, "
      "to = 4 }\nstage.a.s = [\"u\", \"v\"]\n";
  const Sweep one = read(text), again = read(text);
  ASSERT_EQ(one.cells.size(), 200u);
  std::set<std::string> ks, ss;
  int low = 0;
  for (std::size_t i = 0; i < one.cells.size(); ++i) {
    EXPECT_EQ(one.cells[i].id, again.cells[i].id);
    const double lr = one.cells[i].point[0].second.as_real();
    EXPECT_GE(lr, 1e-4);
    EXPECT_LE(lr, 1e-2);
    low += lr < 1e-3 ? 1 : 0;
    ks.insert(one.cells[i].point[1].second.to_json());
    ss.insert(one.cells[i].point[2].second.to_json());
  }
  EXPECT_EQ(ks, (std::set<std::string>{"2", "3", "4"}));
  EXPECT_EQ(ss.size(), 2u);
  EXPECT_NEAR(low, 100, 40);  // half of a logarithmic scale lies below its middle
  EXPECT_NE(read(kHead + "sample_seed = 1\n" + text.substr(kHead.size())).cells[0].id, one.cells[0].id);
}

TEST(SweepFile, DrawnPointsAreDistinctAndAllOfASmallSpaceAreFound) {
  const Sweep all =
      read(kHead + "mode = \"random\"\nsamples = 12\n[axes]\nstage.a.k = { from = 2, to = 4 }\nstage.a.s = [\"u\", \"v\", \"w\", \"x\"]\n");
  std::set<std::string> points;
  for (const SweepCell& cell : all.cells) points.insert(changes(cell));
  EXPECT_EQ(points.size(), 12u);
  // The first draws are those that they were.
  const Sweep few =
      read(kHead + "mode = \"random\"\nsamples = 2\n[axes]\nstage.a.k = { from = 2, to = 4 }\nstage.a.s = [\"u\", \"v\", \"w\", \"x\"]\n");
  EXPECT_EQ(few.cells[0].id, all.cells[0].id);
}

TEST(SweepFile, PlacesOfSeedsAndOfRanges) {
  const Sweep sweep = read(kHead + "seeds = [3, 5]\n[axes]\nstage.a.x = { from = 1, to = 2, step = 1 }\n");
  EXPECT_EQ(sweep.cells[1].changes.back().value.where.text(), "sweeps/s.toml:3:13");
  EXPECT_EQ(sweep.cells[0].changes.front().value.where.text(), "sweeps/s.toml:5:13");
  EXPECT_EQ(sweep.cells[0].pipeline_where.text(), "sweeps/s.toml:2:8");
}

TEST(SweepFile, IdsTellTheCellAndAreOneForEach) {
  const Sweep sweep = read(kHead + "seeds = [0, 1]\n[variants.a]\n[variants.\"b/c d\"]\n[axes]\nstage.a.x = [1, 2]\n");
  std::set<std::string> ids;
  for (const SweepCell& cell : sweep.cells) ids.insert(cell.id);
  EXPECT_EQ(ids.size(), 8u);
  EXPECT_EQ(sweep.cells[0].id.substr(0, 15), "a,x=1,seed=0-" + sweep.cells[0].id.substr(13, 2));
  EXPECT_EQ(sweep.cells[4].id.substr(0, 17), "b_c_d,x=1,seed=0-");
  const std::string text = kHead + "seeds = [0]\n";
  EXPECT_EQ(read_sweep_text(text, "/elsewhere/s.toml").cells[0].id, read(text).cells[0].id);
  EXPECT_EQ(read(kHead + "name = \"n\"\nseeds = [0]\n").name, "n");
  EXPECT_EQ(read(kHead + "seeds = [0]\n").name, "s");
}

TEST(SweepFile, SaysEverythingThatIsWrongAtItsPlace) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "sweeps/s.toml:1:1: error: there is no table [sweep]: it names the pipeline, base = \"FILE.toml\""},
      {"[pipeline]\nname = \"p\"\n",
       "sweeps/s.toml:1:2: error: this is a pipeline, not a sweep: cdc-run runs it, cdc-report takes the directory of "},
      {"extends = \"p.toml\"\n", "sweeps/s.toml:1:1: error: this is a pipeline, not a sweep"},
      {"x", "sweeps/s.toml:1:2: error: this is no TOML: "},
      {"[sweeep]\n", "sweeps/s.toml:1:2: error: there is no table 'sweeep' in a sweep; did you mean 'sweep'?"},
      {"sweep = 1\n", "sweeps/s.toml:1:1: error: 'sweep' must be a table, [sweep]"},
      {"[sweep]\nseeds = [0]\n", "sweeps/s.toml:1:1: error: the sweep names no pipeline: set base = \"FILE.toml\", relative to this file"},
      {"[sweep]\nbase = 1\nseeds = [0]\n", "sweeps/s.toml:2:8: error: 'base' must be a string, found 1"},
      {kHead + "seed = [0]\n", "sweeps/s.toml:3:1: error: there is no key 'seed' in a sweep; did you mean 'seeds'?"},
      {kHead, "sweeps/s.toml:1:1: error: this sweep is of one run: give it seeds = [0, 1, 2], [axes] or [variants]"},
      {kHead + "seeds = 3\n", "sweeps/s.toml:3:9: error: 'seeds' must be a list of integers from 0, seeds = [0, 1, 2], found 3"},
      {kHead + "seeds = [1, 1]\n",
       "sweeps/s.toml:3:13: error: the seed 1 stands twice in 'seeds', and the same run twice is no repetition: take one out"},
      {kHead + "seeds = [1, -1, \"a\"]\n",
       "sweeps/s.toml:3:13: error: 'seeds' must be a list of integers from 0, seeds = [0, 1, 2], found -1\n"
       "sweeps/s.toml:3:17: error: "},
      {kHead + "name = \"a/b\"\nseeds = [0]\n", "sweeps/s.toml:3:8: error: 'a/b' cannot name a folder: leave out '/' and a '.' in front"},
      {kHead + "mode = \"gird\"\nseeds = [0]\n",
       "sweeps/s.toml:3:8: error: 'mode' must be one of 'grid', 'zip' and 'random', found 'gird'; did you mean 'grid'?"},
      {kHead + "mode = \"random\"\nseeds = [0]\n",
       "sweeps/s.toml:3:8: error: mode = \"random\" needs to know how many points to draw: set samples = 20"},
      {kHead + "samples = 4\nseeds = [0]\n", "sweeps/s.toml:3:1: error: 'samples' goes with mode = \"random\": set that, or leave it out"},
      {kHead + "mode = \"random\"\nsamples = 0\n[axes]\nstage.a.x = [1]\n",
       "sweeps/s.toml:4:11: error: 'samples' must be an integer from 1 to 10000, found 0"},
      {kHead + "scores = [\"acc\"]\nseeds = [0]\n",
       "sweeps/s.toml:3:11: error: 'scores' must be a list of scores as the summary of a run has them, scores = [\"kmeans.acc\"], found \"acc\""},
      {kHead + "scores = [\"a.b\", \"a.b\"]\nseeds = [0]\n", "sweeps/s.toml:3:18: error: 'a.b' stands twice in 'scores': take one out"},
      {kHead + "statistics = [\"intervall\"]\nseeds = [0]\n",
       "sweeps/s.toml:3:15: error: 'statistics' are 'interval' and 'difference', found \"intervall\"; did you mean 'interval'?"},
      {kHead + "statistics = 1\nseeds = [0]\n", "sweeps/s.toml:3:14: error: 'statistics' must be a list of 'interval' and 'difference', found 1"},
      {kHead + "stop = 1\nseeds = [0]\n", "sweeps/s.toml:3:8: error: 'stop' must be a table, { rule = \"median\", stage = "},
      {kHead + "stop = { rule = \"median\", score = \"loss\" }\nseeds = [0]\n",
       "sweeps/s.toml:3:8: error: 'stop' needs 'stage': the stage whose epochs"},
      {kHead + "stop = { rule = \"media\", stage = \"a\", score = \"loss\" }\nseeds = [0]\n",
       "error: 'rule' must be one of 'median' and 'halving', found 'media'; did you mean 'median'?"},
      {kHead + "stop = { stage = \"a\", score = \"loss\", factor = 2 }\nseeds = [0]\n",
       "error: 'factor' goes with rule = \"halving\": set that, or leave it out"},
      {kHead + "stop = { rule = \"halving\", stage = \"a\", score = \"loss\", factor = 1 }\nseeds = [0]\n",
       "error: 'factor' must be a number from 1.5 to 100, found 1"},
      {kHead + "[axes]\nstag.a.x = [1]\n",
       "sweeps/s.toml:4:1: error: 'stag' is no key of a pipeline: keys begin with pipeline. or stage.; did you mean 'stage'?"},
      {kHead + "[axes]\nstage.a.x = 1\n",
       "sweeps/s.toml:4:13: error: an axis must be a list, [0.1, 0.2], or a range, { from = 1, to = 9, step = 2 }, found 1"},
      {kHead + "[axes]\nstage.a.x = []\n", "found []"},
      {kHead + "[axes]\nstage.a.x = [1]\n\"stage.a.x\" = [2]\n", "sweeps/s.toml:5:1: error: 'stage.a.x' is stated twice, here and in line 4"},
      {kHead + "[axes]\npipeline.seed = [1]\n",
       "sweeps/s.toml:4:10: error: seeds are no axis, but what a row's spread is taken over: write seeds = [0, 1, 2] in [sweep]"},
      {kHead + "mode = \"zip\"\n[axes]\nstage.a.x = [1, 2]\nstage.a.y = [1]\n",
       "error: with mode = \"zip\" all axes have as many values: 1 here, 2 in 'stage.a.x'"},
      {kHead + "[axes]\nstage.a.x = { from = 2, to = 1, step = 1 }\n",
       "error: a range goes from a smaller number to a larger one: { from = 1, to = 9 }"},
      {kHead + "[axes]\nstage.a.x = { from = 1, to = 2 }\n", "error: a range needs 'step' or 'points': { from = 1, to = 9, step = 2 } or "},
      {kHead + "[axes]\nstage.a.x = { from = 1, to = 2, step = 0 }\n",
       "error: 'step' must be larger than 0 and make at most 10000 values, on a linear scale; on a logarithmic one set 'points'"},
      {kHead + "[axes]\nstage.a.x = { from = 0, to = 2, points = 3, scale = \"log\" }\n", "error: on a logarithmic scale numbers are larger than 0"},
      {kHead + "[axes]\nstage.a.x = { from = \"a\", to = 2, points = 3 }\n", "error: 'from' must be a number, found \"a\""},
      {kHead + "[axes]\nstage.a.x = { from = 1, to = 2, stepp = 1 }\n", "error: there is no key 'stepp' in a sweep; did you mean 'step'?"},
      {kHead + "mode = \"random\"\nsamples = 2\n[axes]\nstage.a.x = { from = 1, to = 2, step = 1 }\n",
       "error: with mode = \"random\" values are drawn from the whole range: leave out 'step' and 'points'"},
      {kHead + "[axes]\nstage.a.x = [1, 2, 1.0]\n",
       "sweeps/s.toml:4:20: error: 1.0 stands twice on the axis 'stage.a.x', and the same run twice is no repetition: take one out; repetitions are "
       "seeds = [0, 1, 2] in [sweep]"},
      {kHead + "mode = \"random\"\nsamples = 1\n[axes]\nstage.a.x = [\"u\", \"u\"]\n", "sweeps/s.toml:6:19: error: \"u\" stands twice on the axis"},
      {kHead + "[axes]\nstage.a.x = [{ a = 1, b = 2 }, { b = 2.0, a = 1 }]\n", "sweeps/s.toml:4:32: error: {"},
      {kHead + "[axes]\nstage.a.x = { from = 1, to = 1.0000000000001, points = 3 }\n",
       "sweeps/s.toml:4:13: error: values of this range are equal to twelve digits, such as 1.0: set fewer 'points', or a wider range"},
      {kHead + "[axes]\nstage.a.x = { from = 1e15, to = 1000000000000010.0, step = 1 }\n", "error: values of this range are equal to twelve digits"},
      {kHead + "[axes]\nstage.a.x = { from = 9007199254740993, to = 9007199254740995, step = 1 }\n",
       "sweeps/s.toml:4:13: error: the integers of a range lie between -2^53 and 2^53: write larger ones as a list"},
      {kHead + "mode = \"zip\"\n[axes]\nstage.a.x = [1, 2, 1]\nstage.a.y = [3, 3, 3.0]\n",
       "sweeps/s.toml:5:20: error: place 3 of the axes is the same point as an earlier one, and the same run twice is no repetition: take it out"},
      {kHead + "mode = \"random\"\nsamples = 7\n[axes]\nstage.a.x = { from = 1, to = 3 }\nstage.a.y = [1, 2]\n",
       "sweeps/s.toml:4:11: error: the axes have 6 points in all, so that 7 cannot be drawn without one twice: set samples = 6 or fewer, or mode = "
       "\"grid\" for all of them"},
      {kHead + "mode = \"random\"\nsamples = 5\nseeds = [0]\n",
       "sweeps/s.toml:3:8: error: mode = \"random\" draws values of axes, and there are none: name some in [axes], or leave it out"},
      {kHead + "[set]\nstage.a.x = 5\n[axes]\nstage.a.x = [1, 2]\n",
       "sweeps/s.toml:4:9: error: [set] sets 'stage.a.x', which is an axis (line 6), and the axis would replace this: take it out here or there"},
      {kHead + "[axes]\nstage.a.part.x = [1, 2]\n[variants.v]\nstage.a.part = { plugin = \"p\", x = 3 }\n",
       "sweeps/s.toml:6:9: error: the variant 'v' sets 'stage.a.part.x', which is an axis (line 4)"},
      {kHead + "seeds = [0, 1]\n[variants.v]\npipeline.seed = 3\n",
       "error: the variant 'v' sets the seed, and 'seeds' (line 3) would replace it: take it out here or there"},
      {kHead + "[axes]\n\"stage.a.part.x\" = [1, 2]\n\"stage.a.part\" = [{ plugin = \"p\" }, { plugin = \"q\" }]\n",
       "sweeps/s.toml:5:1: error: the axis 'stage.a.part' replaces all that 'stage.a.part.x' (line 4) sets: write it before that one"},
      {kHead + "[axes]\n\"stage.a.part\" = [{ plugin = \"p\", x = 1 }, { plugin = \"q\" }]\n\"stage.a.part.x\" = [1, 2]\n",
       "sweeps/s.toml:5:1: error: a value of the axis 'stage.a.part' (line 4) sets 'stage.a.part.x' too, and this axis would replace that"},
      {kHead + "[variants.a]\n[variants.b]\ntitle = \"a\"\n",
       "sweeps/s.toml:5:9: error: the variants 'a' and 'b' are both called 'a' in tables: give one another title"},
      {kHead + "[variants]\n", "error: [variants] is empty: name one, [variants.NAME], or leave it out"},
      {kHead + "[variants]\na = 1\n", "error: a variant must be a table, [variants.a]"},
      {kHead + "[axes]\nstage.a.x = { from = 1, to = 9999, step = 1 }\nstage.a.y = { from = 1, to = 9999, step = 1 }\n",
       "error: this makes 99980001 runs; 10000 are the most: use mode = \"random\", or fewer values"},
  };
  for (const auto& [text, message] : cases) EXPECT_NE(problems_of(text).find(message), std::string::npos) << text << "\n" << problems_of(text);
}

TEST(SweepFile, AFileThatIsNotThereIsNamed) {
  try {
    read_sweep("/nowhere/s.toml");
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(),
                 "/nowhere/s.toml:1:1: error: the sweep's file cannot be opened (No such file or directory): check its name and that it may be read");
  }
}

}  // namespace
}  // namespace cdc
