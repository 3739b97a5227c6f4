// Broken texts of a good pipeline: each gives a plan or says what is wrong, and nothing else ever comes out.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <random>

#include "golden/planning.hpp"
#include "graph/planner.hpp"

namespace {

namespace fs = std::filesystem;

/// 1 where it was taken, 0 where it was refused with diagnostics that name the text.
int outcome_of(const std::function<void()>& plan) {
  try {
    plan();
    return 1;
  } catch (const cdc::ConfigError& e) {
    EXPECT_FALSE(e.diagnostics().empty());
    for (const cdc::Diagnostic& one : e.diagnostics()) {
      EXPECT_GE(one.where.line, 1) << one.text();
      EXPECT_GE(one.where.column, 1) << one.text();
      EXPECT_FALSE(one.message.empty());
    }
    return 0;
  }
}

int plans(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return outcome_of([&] { cdc::plan_text(text, "text", overrides, cdc::test::registry()); });
}

TEST(Fuzz, EveryTruncation) {
  const std::string good = cdc::test::good_pipeline();
  ASSERT_EQ(plans(good), 1);
  int taken = 0;
  for (std::size_t length = 0; length < good.size(); ++length) taken += plans(good.substr(0, length));
  EXPECT_GT(taken, 0);  // cut after a whole stage
  EXPECT_LT(taken, 100);
}

TEST(Fuzz, FlippedBytes) {
  const std::string good = cdc::test::good_pipeline();
  std::mt19937 random(1);
  int taken = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) text[random() % text.size()] = static_cast<char>(random() % 256);
    taken += plans(text);
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 4000);
}

TEST(Fuzz, MovedPieces) {
  // Lines swapped, doubled and left out, words exchanged: still TOML more often than flipped bytes are.
  const std::string good = cdc::test::good_pipeline();
  std::vector<std::string> lines;
  for (std::size_t at = 0, end; at < good.size(); at = end + 1) {
    end = good.find('\n', at);
    lines.push_back(good.substr(at, end - at));
  }
  std::mt19937 random(2);
  int taken = 0;
  for (int i = 0; i < 4000; ++i) {
    std::vector<std::string> mixed = lines;
    for (unsigned moves = 1 + random() % 3; moves > 0; --moves) {
      std::string& a = mixed[random() % mixed.size()];
      std::string& b = mixed[random() % mixed.size()];
      switch (random() % 4) {
        case 0:
          std::swap(a, b);
          break;
        case 1:
          a.clear();
          break;
        case 2: {  // the value of one key to another
          const std::size_t from = b.find("= "), to = a.find("= ");
          if (from != std::string::npos && to != std::string::npos) a = a.substr(0, to) + b.substr(from);
          break;
        }
        default:
          a = b;
      }
    }
    std::string text;
    for (const std::string& line : mixed) text += line + "\n";
    taken += plans(text);
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 4000);
}

TEST(Fuzz, Overrides) {
  const std::vector<std::string> some{"stage.pretext.epochs=5", "stage.pretext.graph.views.size=16",
                                      "stage.pretext.optimizer={plugin=\"optimizer.sgd\",lr=1}"};
  std::mt19937 random(3);
  int taken = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text = some[random() % some.size()];
    for (unsigned flips = 1 + random() % 2; flips > 0; --flips) text[random() % text.size()] = static_cast<char>(random() % 256);
    taken += plans(cdc::test::good_pipeline(), {text.substr(0, 1 + random() % text.size())});
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 4000);
}

TEST(Fuzz, FilesThatExtend) {
  const fs::path folder = fs::path(testing::TempDir()) / ("cdc_fuzz_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  cdc::test::write_file(folder / "base.toml", cdc::test::good_pipeline());
  cdc::test::write_file(folder / "part.toml", "[stage.kmeans]\nclusters = 4\n");
  const std::string extending = R"(extends = ["base.toml", "part.toml"]
remove = ["stage.scores", "stage.tune.schedule"]
[stage.pretext]
optimizer = { plugin = "optimizer.sgd", lr = 2 }
[stage.pretext.graph.slow]
plugin = "backbone.test"
[stage.kmeans]
clusters = 5
)";
  const auto planned = [&](const std::string& file) { return outcome_of([&] { cdc::plan_pipeline(folder / file, {}, cdc::test::registry()); }); };
  cdc::test::write_file(folder / "x.toml", extending);
  ASSERT_EQ(planned("x.toml"), 1);
  std::mt19937 random(4);
  int count = 0;
  for (int i = 0; i < 3000; ++i) {
    // Either of the two, or both.
    const unsigned which = random() % 3;
    for (const char* name : {"base.toml", "x.toml"}) {
      std::string text = name[0] == 'b' ? cdc::test::good_pipeline() : extending;
      if ((name[0] == 'b') != (which == 0) || which == 2)
        for (unsigned flips = 1 + random() % 2; flips > 0; --flips) text[random() % text.size()] = static_cast<char>(random() % 256);
      cdc::test::write_file(folder / name, text);
    }
    count += planned("x.toml");
  }
  EXPECT_GT(count, 0);
  EXPECT_LT(count, 3000);
  // Each file names others, or itself.
  const std::vector<std::string> names{"a.toml", "b.toml", "c.toml", "", ".", "base.toml", "/dev/zero"};
  for (int i = 0; i < 500; ++i) {
    for (int k = 0; k < 3; ++k) {
      std::string list = "\"" + names[random() % names.size()] + "\"";
      while (random() % 2 == 0) list += ", \"" + names[random() % names.size()] + "\"";
      cdc::test::write_file(folder / names[static_cast<std::size_t>(k)], "extends = [" + list + "]\n");
    }
    planned("a.toml");
  }
  fs::remove_all(folder);
}

TEST(Fuzz, ATextThatExtends) {
  EXPECT_EQ(plans("extends = \"/dev/zero\"\n" + std::string(cdc::test::good_pipeline())), 0);
  std::string path = "stage";
  for (int i = 0; i < 100000; ++i) path += ".a";
  EXPECT_EQ(plans("remove = [\"" + path + "\"]\n" + cdc::test::good_pipeline()), 0);
}

}  // namespace
