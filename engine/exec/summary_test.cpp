#include "exec/summary.hpp"

#include <regex>

#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

bool is_of(const Value& value, const std::string& type) {
  return type == "object"    ? value.is_table()
         : type == "array"   ? value.is_array()
         : type == "string"  ? value.is_string()
         : type == "boolean" ? value.is_boolean()
         : type == "integer" ? value.is_integer()
         : type == "number"  ? value.is_number()
                             : type == "null" && value.is_null();
}

/// The part of JSON Schema that summary.schema.json uses; what does not fit is added to `wrong` with its place.
void check(const Value& value, const Value& schema, const std::string& place, std::vector<std::string>& wrong) {
  static const std::vector<std::string> known = {"$schema",    "title",   "description", "type", "required", "additionalProperties",
                                                 "properties", "pattern", "minimum"};
  for (const auto& [key, unused] : schema.as_table())
    if (std::find(known.begin(), known.end(), key) == known.end()) wrong.push_back("the schema uses '" + key + "', which this check does not know");
  if (const Value* type = schema.find("type")) {
    bool fits = false;
    if (type->is_string()) fits = is_of(value, type->as_string());
    if (type->is_array())
      for (const Value& one : type->as_array()) fits = fits || is_of(value, one.as_string());
    if (!fits) wrong.push_back(place + ": another type than " + type->to_json());
  }
  const Value* pattern = schema.find("pattern");
  if (pattern != nullptr && value.is_string() && !std::regex_search(value.as_string(), std::regex(pattern->as_string())))
    wrong.push_back(place + ": not as the pattern");
  const Value* minimum = schema.find("minimum");
  if (minimum != nullptr && value.is_number() && value.as_real() < minimum->as_real()) wrong.push_back(place + ": below the minimum");
  if (!value.is_table()) return;
  if (const Value* required = schema.find("required"))
    for (const Value& name : required->as_array())
      if (value.find(name.as_string()) == nullptr) wrong.push_back(place + ": lacks '" + name.as_string() + "'");
  const Value *properties = schema.find("properties"), *others = schema.find("additionalProperties");
  for (const auto& [name, entry] : value.as_table()) {
    const Value* own = properties == nullptr ? nullptr : properties->find(name);
    if (own != nullptr)
      check(entry, *own, place + "." + name, wrong);
    else if (others != nullptr && others->is_table())
      check(entry, *others, place + "." + name, wrong);
    else if (others != nullptr && others->is_boolean() && !others->as_boolean())
      wrong.push_back(place + ": '" + name + "' is not known");
  }
}

std::vector<std::string> check_summary(const Value& summary) {
  const Value schema = Value::from_json(read_file(source_folder() / "engine/exec/summary.schema.json"));
  std::vector<std::string> wrong;
  check(summary, schema, "summary", wrong);
  return wrong;
}

class SummaryTest : public FakePipeline {};

TEST_F(SummaryTest, AWrittenSummaryIsAsItsSchemaSays) {
  const RunResult first = run();
  EXPECT_EQ(check_summary(first.summary), std::vector<std::string>{});
  EXPECT_EQ(check_summary(Value::from_json(read_file(first.directory / "summary.json"))), std::vector<std::string>{});
  EXPECT_EQ(check_summary(run().summary), std::vector<std::string>{});  // all cached
  EXPECT_EQ(first.summary.at("scores").as_table().size(), 2u);
  EXPECT_EQ(first.summary.at("scores").at("kmeans").at("protocol").at("split").as_string(), "train");
}

TEST_F(SummaryTest, TheCheckFindsWhatIsWrong) {
  Value summary = run().summary;
  summary["more"] = 1;
  summary["seed"] = "seven";
  summary["stages"]["kmeans"]["key"] = "short";
  summary["stages"]["other"]["seconds"] = -1.0;
  summary["scores"]["kmeans"] = Value::table();
  summary["scores"]["other"]["protocol"]["samples"] = 0;
  EXPECT_EQ(check_summary(summary),
            (std::vector<std::string>{"summary.seed: another type than \"integer\"", "summary.stages.kmeans.key: not as the pattern",
                                      "summary.stages.other.seconds: below the minimum", "summary.scores.kmeans: lacks 'protocol'",
                                      "summary.scores.other.protocol.samples: below the minimum", "summary: 'more' is not known"}));
}

TEST(Summary, ARowIsCalledAfterWhatWasScoredWhateverElseIsScored) {
  Value a, b, c;
  a["kmeans"]["acc"] = 0.5;
  a["kmeans"]["protocol"]["scored_on"] = "train";
  a["cdc"]["acc"] = 0.6;
  b["kmeans"]["knn_acc"] = 0.7;
  b["kmeans"]["protocol"]["k"] = 20;
  c["kmeans"]["acc"] = 0.4;
  EXPECT_EQ(gather_scores({{"scores", "", a}, {"neighbors", "", b}, {"test_scores", "test", c}}).to_json(),
            R"({"kmeans":{"acc":0.5,"protocol":{"scored_on":"train","also":{"neighbors":{"scores":["knn_acc"],"k":20}}},"knn_acc":0.7},)"
            R"("cdc":{"acc":0.6},"test.kmeans":{"acc":0.4}})");
}

TEST(Summary, AScoreThatNoPluginStatedAndIsThereTwiceLeavesTheFirstItsNameAndIsTold) {
  Value a, b;
  a["kmeans"]["acc"] = 0.5;
  b["kmeans"]["acc"] = 0.4;
  std::vector<std::string> clashes;
  EXPECT_EQ(gather_scores({{"scores", "", a}, {"more", "", b}}, &clashes).to_json(), R"({"kmeans":{"acc":0.5},"more.kmeans":{"acc":0.4}})");
  EXPECT_EQ(clashes,
            std::vector<std::string>{"another stage gives kmeans.acc too: that of stage 'more' is called more.kmeans.acc here; write prefix = "
                                     "\"more\" into it, so that it keeps that name whatever else is scored"});
}

TEST_F(SummaryTest, AddingAStageThatScoresRenamesNoScore) {
  const std::string again = "[stage.again]\nplugin = \"fake.score\"\nin.prediction = \"kmeans\"\nin.data = \"images\"\n";
  const Value alone = run().summary.at("scores");
  text = kFakePipeline + again + "prefix = \"second\"\n";
  const Value both = run().summary.at("scores");
  EXPECT_EQ(both.at("kmeans"), alone.at("kmeans"));
  EXPECT_EQ(both.at("other"), alone.at("other"));
  EXPECT_EQ(both.at("second.kmeans").at("acc"), alone.at("kmeans").at("acc"));
  EXPECT_EQ(both.as_table().size(), 3u);
  EXPECT_EQ(listener.cached, (std::vector<std::string>{"features", "kmeans", "other", "scores"}));  // a prefix is in no key
  const PlannedScores planned = planned_scores(plan());
  EXPECT_EQ(planned.names, (std::vector<std::string>{"kmeans.acc", "other.acc", "second.kmeans.acc"}));
  EXPECT_EQ(planned.rows, (std::vector<std::string>{"kmeans", "other", "second.kmeans"}));
  EXPECT_TRUE(planned.complete);

  // The same score of the same thing twice: told at load, at the later stage.
  text = kFakePipeline + again;
  EXPECT_EQ(error_of_run(),
            "p.toml:25:1: error: stages 'scores' (p.toml:21:1) and 'again' both give kmeans.acc, the same score of stage 'kmeans' under the same "
            "name: write "
            "prefix = \"again\" into this one for again.kmeans.acc, and likewise prefix = \"scores\" into the other where scores.kmeans.acc is "
            "wanted");
  text = kFakePipeline + again + "prefix = \"a.b\"\n";
  EXPECT_NE(error_of_run().find("'prefix' of stage 'again' must be a string of letters, digits, '_' and '-'"), std::string::npos);
  text = kFakePipeline + std::string("prefixx = \"a\"\n");
  EXPECT_NE(error_of_run().find("'fake.score' has no parameter 'prefixx'; did you mean 'prefix'?"), std::string::npos);
}

TEST(Summary, AStageCannotReplaceTheEnginesEntries) {
  Value told;
  told["key"] = "mine";
  told["epochs"] = 3;
  const Value summary = make_summary("p", 1, {{"train", "stage.train", "abc", true, 2.5, told}}, Value::table(), "s", "f", 1);
  EXPECT_EQ(summary.at("stages").to_json(), R"({"train":{"plugin":"stage.train","key":"abc","cached":true,"seconds":2.5,"epochs":3}})");
}

}  // namespace
}  // namespace cdc::test
