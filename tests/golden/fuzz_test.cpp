// Broken texts of a good pipeline: each gives a plan or says what is wrong, and nothing else ever comes out.
#include <gtest/gtest.h>

#include <random>

#include "golden/planning.hpp"
#include "graph/planner.hpp"

namespace {

/// 1 where it was taken, 0 where it was refused with diagnostics that name the text.
int plans(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    cdc::plan_text(text, "text", overrides, cdc::test::registry());
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

}  // namespace
