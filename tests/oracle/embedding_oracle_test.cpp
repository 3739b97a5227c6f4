// UMAP beside umap-learn, and its map judged by scikit-learn's trustworthiness (tests/oracle/embedding.py).
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "numeric/umap.hpp"
#include "support/oracle.hpp"

namespace {

using cdc::Value;
using cdc::test::list;

const Value& oracle() {
  static const Value result = cdc::test::run_oracle("embedding");
  return result;
}

#define CDC_NEEDS_UMAP()      \
  CDC_NEEDS_ORACLE(oracle()); \
  if (const Value* missing = oracle().find("missing")) GTEST_SKIP() << missing->as_string() << " is not in build/oracle-venv: tools/test installs it"

TEST(EmbeddingOracle, CurvesAreUmapLearns) {
  CDC_NEEDS_UMAP();
  ASSERT_EQ(oracle().at("curves").as_array().size(), 5u);
  for (const Value& c : oracle().at("curves").as_array()) {
    const cdc::UmapCurve ours = cdc::umap_curve(c.at("min_dist").as_real(), c.at("spread").as_real());
    EXPECT_NEAR(ours.a, c.at("a").as_real(), 1e-3) << c.at("min_dist").as_real();
    EXPECT_NEAR(ours.b, c.at("b").as_real(), 1e-3) << c.at("min_dist").as_real();
  }
}

TEST(EmbeddingOracle, FuzzySetIsUmapLearns) {
  CDC_NEEDS_UMAP();
  cdc::Neighbors near;
  near.queries = oracle().at("n").as_integer();
  near.k = oracle().at("neighbors").as_integer() - 1;
  near.index = list<std::int32_t>(oracle().at("index"));
  near.distance = list<float>(oracle().at("distance"));
  const cdc::NeighborGraph ours = cdc::fuzzy_simplicial_set(near);
  EXPECT_EQ(ours.begin, list<std::int64_t>(oracle().at("begin")));
  ASSERT_EQ(ours.other, list<std::int32_t>(oracle().at("other")));
  const auto weight = list<double>(oracle().at("weight"));
  double worst = 0;
  for (std::size_t e = 0; e < weight.size(); ++e) worst = std::max(worst, std::abs(ours.weight[e] - weight[e]));
  EXPECT_LT(worst, 1e-4);
}

TEST(EmbeddingOracle, MapIsAsTrustworthyAsUmapLearns) {
  CDC_NEEDS_UMAP();
  const auto x = list<float>(oracle().at("x"));
  const std::int64_t n = oracle().at("n").as_integer(), d = oracle().at("d").as_integer();
  const cdc::Umap map = cdc::umap_embedding(x.data(), n, d, {});
  const auto folder = std::filesystem::temp_directory_path() / ("cdc_embedding_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const std::vector<float>& values) {
    cdc::test::write_file(folder / name, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    return (folder / name).string();
  };
  const Value judged =
      cdc::test::run_oracle("embedding", {"trustworthiness", write("x", x), std::to_string(n), std::to_string(d), write("points", map.points), "15"});
  std::filesystem::remove_all(folder);
  EXPECT_GE(judged.at("trustworthiness").as_real(), oracle().at("trustworthiness").as_real() - 0.01);
}

}  // namespace
