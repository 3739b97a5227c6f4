#include "config/spec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "cdc/error.hpp"
#include "config/suggest.hpp"

namespace cdc {
namespace {

Spec read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  std::vector<Diagnostic> problems;
  std::optional<Spec> spec = read_spec(text, "f.toml", overrides, problems);
  for (const Diagnostic& one : problems) ADD_FAILURE() << one.text();
  return spec ? *spec : Spec();
}

std::string problems_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  std::vector<Diagnostic> problems;
  read_spec(text, "f.toml", overrides, problems);
  return problems.empty() ? "" : ConfigError(problems).what();
}

TEST(Spec, KeepsPlacesAndOrder) {
  const Spec spec = read("z = 1\na = \"two\"\n[t.y]\nlist = [1.5,\n  true]\nin.x = 3\n[t.b]\n");
  ASSERT_EQ(spec.table.size(), 3u);
  EXPECT_EQ(spec.table[0].first, "z");
  EXPECT_EQ(spec.table[1].first, "a");
  EXPECT_EQ(spec.table[1].second.key_where.text(), "f.toml:2:1");
  EXPECT_EQ(spec.table[1].second.where.text(), "f.toml:2:5");
  const Spec& t = *spec.find("t");
  EXPECT_EQ(t.table[0].first, "y");
  EXPECT_EQ(t.table[0].second.where.text(), "f.toml:3:1");
  EXPECT_EQ(t.table[1].first, "b");
  const Spec& y = *t.find("y");
  EXPECT_EQ(y.find("list")->array[1].where.text(), "f.toml:5:3");
  EXPECT_EQ(y.find("in")->find("x")->key_where.text(), "f.toml:6:4");
  EXPECT_EQ(spec.find("none"), nullptr);
  EXPECT_EQ(spec.value().to_json(), R"({"z":1,"a":"two","t":{"y":{"list":[1.5,true],"in":{"x":3}},"b":{}}})");
}

TEST(Spec, ExpandsVariables) {
  ::setenv("CDC_TEST_SET", "value", 1);
  ::setenv("CDC_TEST_EMPTY", "", 1);
  ::unsetenv("CDC_TEST_UNSET");
  const auto expanded = [](const std::string& text) { return read("s = '" + text + "'").find("s")->string(); };
  EXPECT_EQ(expanded("a ${CDC_TEST_SET} b"), "a value b");
  EXPECT_EQ(expanded("${CDC_TEST_SET:-other}${CDC_TEST_UNSET:-x/y}"), "valuex/y");
  EXPECT_EQ(expanded("${CDC_TEST_EMPTY}|${CDC_TEST_EMPTY:-default}|${CDC_TEST_UNSET:-}"), "|default|");
  EXPECT_EQ(expanded("$${CDC_TEST_SET} $5 $ $$"), "${CDC_TEST_SET} $5 $ $$");
  EXPECT_EQ(read("s = [{a = '${CDC_TEST_SET}'}]").find("s")->array[0].find("a")->string(), "value");
  EXPECT_EQ(problems_of("a = 1\ns = [ '${CDC_TEST_UNSET}' ]"),
            "f.toml:2:7: error: the environment variable 'CDC_TEST_UNSET' is not set: set it, or give a default here, ${CDC_TEST_UNSET:-VALUE}");
  // What an override replaces need not be set.
  EXPECT_EQ(problems_of("stage.a.s = '${CDC_TEST_UNSET}'", {"stage.a.s=x"}), "");
}

TEST(Spec, Overrides) {
  const std::string text = "[stage.a]\nk = 1\npart = { plugin = \"p.q\", lr = 1.0 }\n[stage.a.graph.n]\nx = 1\n";
  const auto value = [&](const std::string& override) { return read(text, {override}).value().at("stage").at("a"); };
  EXPECT_EQ(value("stage.a.k=2").at("k"), Value(2));
  EXPECT_EQ(value("stage.a.k=2.5").at("k"), Value(2.5));
  EXPECT_EQ(value("stage.a.k=true").at("k"), Value(true));
  EXPECT_EQ(value("stage.a.k=word").at("k"), Value("word"));
  EXPECT_EQ(value("stage.a.k=\"2\"").at("k"), Value("2"));
  EXPECT_EQ(value("stage.a.k=two words = 3").at("k"), Value("two words = 3"));
  EXPECT_EQ(value("stage.a.k=").at("k"), Value(""));
  EXPECT_EQ(value("stage.a.k=1\nother=2").at("k"), Value("1\nother=2"));
  EXPECT_EQ(value("stage.a.k=[1, 2]").at("k").to_json(), "[1,2]");
  EXPECT_EQ(value("stage.a.k=2024-01-01").at("k"), Value("2024-01-01"));
  EXPECT_EQ(value("stage.a.part.lr=2").at("part").to_json(), R"({"plugin":"p.q","lr":2})");
  EXPECT_EQ(value("stage.a.new={plugin=\"x.y\"}").at("new").to_json(), R"({"plugin":"x.y"})");
  EXPECT_EQ(value("stage.a.in.data=images").at("in").to_json(), R"({"data":"images"})");
  EXPECT_EQ(value("stage.a.graph.n.x=7").at("graph").at("n").at("x"), Value(7));
  EXPECT_EQ(read("", {"pipeline.seed=3"}).value().to_json(), R"({"pipeline":{"seed":3}})");
  const Spec spec = read(text, {"stage.a.k=1", "stage.a.list=[ 1, {a = 2}]"});
  const Spec& list = *spec.find("stage")->find("a")->find("list");
  EXPECT_EQ(list.key_where.text(), "command line:2:9");
  EXPECT_EQ(list.where.text(), "command line:2:14");
  EXPECT_EQ(list.array[1].find("a")->where.text(), "command line:2:24");
}

TEST(ToToml, ComesBack) {
  const Value all = Value::from_json(R"json({
    "pipeline": {"name": "x", "seed": 9007199254740993},
    "stage": {
      "a": {"plugin": "p.a", "real": 1.0, "small": 1e-05, "big": 1e+300, "text": "q\"\\\n\tü\u007f${X} $${Y} $", "flag": false, "none": [],
            "reals": [0.5, 2.0], "in": {"data": "b.x", "odd port": ["b", "c"]},
            "part": {"plugin": "p.p", "lr": 0.1, "deep": {"plugin": "p.d"}},
            "graph": {"n": {"plugin": "p.n", "in": {"x": "m"}}, "m.\u007f": {}}},
      "b": {"plugin": "p.b"}}})json");
  const std::string text = to_toml(all);
  EXPECT_EQ(read(text).value(), all) << text;
  EXPECT_NE(text.find("[stage.a.graph.n]\nplugin = \"p.n\"\nin.x = \"m\"\n"), std::string::npos) << text;
  EXPECT_NE(text.find("part = { plugin = \"p.p\", lr = 0.1, deep = { plugin = \"p.d\" } }\n"), std::string::npos) << text;
  Value odd = Value::table();
  odd["inf"] = std::numeric_limits<double>::infinity();
  odd["least"] = -std::numeric_limits<double>::infinity();
  EXPECT_EQ(read(to_toml(odd)).value(), odd);
  odd["nan"] = std::nan("");
  EXPECT_TRUE(std::isnan(read(to_toml(odd)).value().at("nan").as_real()));
  Value null = Value::table();
  null["a"] = Value();
  EXPECT_THROW(to_toml(null), Error);
  EXPECT_THROW(to_toml(Value(3)), Error);
}

TEST(Diagnostics, AreSortedAndToldOnce) {
  const ConfigError error({{{"b", 1, 1}, "x"}, {{"a", 10, 1}, "y"}, {{"a", 9, 2}, "z"}, {{"a", 9, 1}, "w"}, {{"a", 10, 1}, "y"}});
  EXPECT_STREQ(error.what(), "a:9:1: error: w\na:9:2: error: z\na:10:1: error: y\nb:1:1: error: x");
  EXPECT_EQ(error.diagnostics().size(), 4u);
}

TEST(Suggest, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("ab", "ba"), 1u);
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);  // optimal string alignment, not the unrestricted distance, which is 2
}

TEST(Suggest, OnlyWhatIsNear) {
  EXPECT_EQ(did_you_mean("epoch", {"batch", "epochs"}), "; did you mean 'epochs'?");
  EXPECT_EQ(did_you_mean("lr", {"momentum", "kr"}), "; did you mean 'kr'?");
  EXPECT_EQ(did_you_mean("width", {"clusters"}), "");
  EXPECT_EQ(did_you_mean("EPOCHS", {"epoch", "epochs"}), "; did you mean 'epochs'?");
  EXPECT_EQ(did_you_mean("x", {}), "");
  EXPECT_EQ(did_you_mean(std::string(5000, 'x'), {std::string(5000, 'y')}), "");
  EXPECT_EQ(quoted_list({}), "");
  EXPECT_EQ(quoted_list({"a"}), "'a'");
  EXPECT_EQ(quoted_list({"a", "b", "c"}), "'a', 'b' and 'c'");
  EXPECT_EQ(quoted_list({"a", "b", "c"}, 2), "'a', 'b' and 1 more");
}

}  // namespace
}  // namespace cdc
