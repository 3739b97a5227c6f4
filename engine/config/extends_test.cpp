#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "config/spec.hpp"
#include "support/files.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// A folder of pipeline files. In messages the folder's name is left out.
class ExtendsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("cdc_extends_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "deeper");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const { test::write_file(folder_ / name, text); }

  Spec read(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    std::vector<Diagnostic> problems;
    std::optional<Spec> spec = read_spec_file(folder_ / name, overrides, problems);
    for (const Diagnostic& one : problems) ADD_FAILURE() << one.text();
    return spec ? std::move(*spec) : Spec();
  }
  std::string json(const std::string& name, const std::vector<std::string>& overrides = {}) const { return read(name, overrides).value().to_json(); }
  /// Of `extending`, with `base` under it.
  std::string merged(const std::string& base, const std::string& extending) const {
    write("base.toml", base);
    write("x.toml", "extends = \"base.toml\"\n" + extending);
    return json("x.toml");
  }
  std::string problems_of(const std::string& name) const {
    std::vector<Diagnostic> problems;
    read_spec_file(folder_ / name, {}, problems);
    return problems.empty() ? "" : without_folder(ConfigError(problems).what());
  }
  std::string place(const Spec& spec) const { return without_folder(spec.where.text()); }

  std::string without_folder(std::string text) const {
    const std::string prefix = folder_.string() + "/";
    for (std::size_t at; (at = text.find(prefix)) != std::string::npos;) text.erase(at, prefix.size());
    return text;
  }

  fs::path folder_;
};

TEST_F(ExtendsTest, TablesAreMergedKeyByKey) {
  EXPECT_EQ(merged("[pipeline]\nname = \"a\"\nseed = 1\n[stage.b]\nplugin = \"p.b\"\nlist = [1, 2]\nin.x = \"u\"\nin.y = \"v\"\n[stage.a]\n",
                   "[stage.new]\nk = 1\n[stage.b]\nlist = [3]\nin.y = \"w\"\nreal = 1.5\n[pipeline]\nname = \"b\"\n"),
            R"({"pipeline":{"name":"b","seed":1},"stage":{"b":{"plugin":"p.b","list":[3],"in":{"x":"u","y":"w"},"real":1.5},"a":{},"new":{"k":1}}})");
  // What is a table in one and none in the other is replaced.
  EXPECT_EQ(merged("[stage.a.graph.n]\nx = 1\n[stage.b]\ngraph = \"a\"\n", "[stage.a]\ngraph = \"b\"\n[stage.b.graph.n]\ny = 2\n"),
            R"({"stage":{"a":{"graph":"b"},"b":{"graph":{"n":{"y":2}}}}})");
  EXPECT_EQ(merged("[stage.a]\nk = 1\n", ""), R"({"stage":{"a":{"k":1}}})");
}

TEST_F(ExtendsTest, ParametersGoWithTheirPlugin) {
  const std::string base =
      "[stage.a]\nplugin = \"p.a\"\nin.data = \"d\"\nepochs = 5\noptimizer = { plugin = \"o.adam\", lr = 1, betas = [0.9, 0.99] }\n"
      "[stage.a.graph.n]\nplugin = \"p.n\"\nin.x = \"m\"\nwidth = 3\n";
  const auto stage = [&](const std::string& extending) {
    const std::string text = merged(base, extending);
    return text.substr(14, text.size() - 17);  // within {"stage":{"a":{ }}}
  };
  const std::string optimizer = R"("optimizer":{"plugin":"o.adam","lr":1,"betas":[0.9,0.99]})";
  const std::string node = R"("graph":{"n":{"plugin":"p.n","in":{"x":"m"},"width":3}})";
  // A part: nothing of the former stays.
  EXPECT_EQ(stage("[stage.a]\noptimizer = { plugin = \"o.sgd\", lr = 2 }\n"),
            R"({"plugin":"p.a","in":{"data":"d"},"epochs":5,"optimizer":{"plugin":"o.sgd","lr":2},)" + node);
  // The same plugin, or none named: the other parameters stay.
  const std::string changed = R"({"plugin":"p.a","in":{"data":"d"},"epochs":5,"optimizer":{"plugin":"o.adam","lr":2,"betas":[0.9,0.99]},)" + node;
  EXPECT_EQ(stage("[stage.a]\noptimizer = { plugin = \"o.adam\", lr = 2 }\n"), changed);
  EXPECT_EQ(stage("[stage.a]\noptimizer = { lr = 2 }\n"), changed);
  EXPECT_EQ(stage("[stage.a.optimizer]\nlr = 2\n"), changed);
  EXPECT_EQ(stage("[stage.a]\noptimizer.lr = 2\n"), changed);
  // A node and a stage: the wiring stays.
  EXPECT_EQ(stage("[stage.a.graph.n]\nplugin = \"p.m\"\ndepth = 4\n"),
            R"({"plugin":"p.a","in":{"data":"d"},"epochs":5,)" + optimizer + R"(,"graph":{"n":{"in":{"x":"m"},"plugin":"p.m","depth":4}})");
  EXPECT_EQ(stage("[stage.a]\nplugin = \"p.b\"\n"), R"({"in":{"data":"d"},)" + node + R"(,"plugin":"p.b")");
  // A node that shares or follows another has that one's parameters, and the other way round.
  EXPECT_EQ(stage("[stage.a.graph.n]\nshares = \"m\"\n"),
            R"({"plugin":"p.a","in":{"data":"d"},"epochs":5,)" + optimizer + R"(,"graph":{"n":{"in":{"x":"m"},"shares":"m"}})");
  const std::string following = "[stage.a.graph.n]\nfollows = \"m\"\nmomentum = 0.9\nin.x = \"v\"\n";
  const auto node_of = [&](const std::string& keys) {
    const std::string text = merged(following, "[stage.a.graph.n]\n" + keys);
    return text.substr(29, text.size() - 34);  // within {"stage":{"a":{"graph":{"n":{ }}}}}
  };
  EXPECT_EQ(node_of("plugin = \"p.n\"\nwidth = 3\n"), R"("in":{"x":"v"},"plugin":"p.n","width":3)");
  EXPECT_EQ(node_of("shares = \"m\"\n"), R"("in":{"x":"v"},"shares":"m")");
  EXPECT_EQ(node_of("follows = \"k\"\n"), R"("follows":"k","momentum":0.9,"in":{"x":"v"})");
  // A variable counts by what it means.
  ::setenv("CDC_TEST_SET", "o.adam", 1);
  EXPECT_EQ(stage("[stage.a]\noptimizer = { plugin = \"${CDC_TEST_SET}\", lr = 2 }\n"), changed);
}

TEST_F(ExtendsTest, RemoveTakesOutOfTheBaseAlone) {
  const std::string base = "[pipeline]\nseed = 1\n[stage.a]\nk = 1\nl = 2\n[stage.a.graph.n]\nx = 1\n[stage.a.graph.m]\n[stage.b]\ny = 1\n";
  EXPECT_EQ(merged(base, "remove = [\"stage.b\", \"stage.a.k\", \"stage.a.graph.n\"]\n"),
            R"({"pipeline":{"seed":1},"stage":{"a":{"l":2,"graph":{"m":{}}}}})");
  EXPECT_EQ(merged(base, "remove = [\"stage.a\", \"pipeline\"]\n[stage.a]\nz = 1\n"), R"({"stage":{"b":{"y":1},"a":{"z":1}}})");
  EXPECT_EQ(merged(base, "remove = []\n"), read("base.toml").value().to_json());
  write("y.toml", "extends = \"x.toml\"\nremove = [\"stage.b.y\"]\n");
  EXPECT_EQ(read("y.toml").find("stage")->find("b")->table.size(), 0u);
}

TEST_F(ExtendsTest, NamesAreRelativeToTheFileThatSaysThem) {
  write("first.toml", "[stage.a]\nk = 1\nl = 1\nm = 1\n");
  write("deeper/second.toml", "extends = \"../first.toml\"\n[stage.a]\nl = 2\nm = 2\n");
  write("third.toml", "extends = \"deeper/second.toml\"\n[stage.a]\nm = 3\n");
  write("fourth.toml", "extends = '" + (folder_ / "third.toml").string() + "'\n");
  ::setenv("CDC_TEST_SET", "third", 1);
  write("fifth.toml", "extends = \"${CDC_TEST_SET}.toml\"\n");
  for (const char* name : {"third.toml", "fourth.toml", "fifth.toml"}) EXPECT_EQ(json(name), R"({"stage":{"a":{"k":1,"l":2,"m":3}}})") << name;
  fs::create_symlink("x.toml", folder_ / "y.toml");
  write("x.toml", "extends = \"y.toml\"\n");
  EXPECT_EQ(problems_of("x.toml"), "x.toml:1:11: error: these files extend each other in a circle: x.toml -> y.toml. Take one 'extends' away");
  write("nul.toml", "extends = \"first.toml\\u0000\"\n");
  EXPECT_EQ(problems_of("nul.toml"), "nul.toml:1:11: error: the file 'first.toml");  // the rest is behind the letter NUL
}

TEST_F(ExtendsTest, PlacesAreThoseOfTheFileThatStatesThem) {
  write("base.toml", "[stage.a]\nk = 1\nin.x = 1\n[stage.b]\nk = 1\nin.x = 1\n[stage.b.graph.n]\n[stage.c]\nk = 1\nin.x = 1\n");
  write("x.toml", "extends = \"base.toml\"\nremove = [\"stage.c.in.x\"]\n[stage.a]\nl = 2\n[stage.b.graph.n]\nx = 1\n");
  const Spec spec = read("x.toml", {"stage.a.m=1"});
  EXPECT_EQ(place(spec), "x.toml:1:1");
  const Spec& a = *spec.find("stage")->find("a");
  EXPECT_EQ(place(a), "x.toml:3:1");
  EXPECT_EQ(place(*a.find("k")), "base.toml:2:5");
  EXPECT_EQ(place(*a.find("l")), "x.toml:4:5");
  EXPECT_EQ(place(*a.find("m")), "command line:1:11");
  EXPECT_EQ(a.find("k")->where.depth, 1);
  EXPECT_EQ(a.find("l")->where.depth, 0);
  EXPECT_EQ(a.find("m")->where.depth, Location::kCommandLine);
  // Something deeper in it does not state a table.
  const Spec& b = *spec.find("stage")->find("b");
  EXPECT_EQ(place(b), "base.toml:4:1");
  EXPECT_EQ(place(*b.find("graph")->find("n")), "x.toml:5:1");
  // An input that was removed is missed there.
  EXPECT_EQ(place(*spec.find("stage")->find("c")), "x.toml:2:11");
}

TEST_F(ExtendsTest, OverridesAndVariablesWorkOnTheWhole) {
  ::unsetenv("CDC_TEST_UNSET");
  write("base.toml", "[stage.a]\nk = \"${CDC_TEST_UNSET}\"\nl = \"${CDC_TEST_UNSET}\"\nm = \"${CDC_TEST_UNSET:-there}\"\n");
  write("x.toml", "extends = \"base.toml\"\n[stage.a]\nk = \"here\"\n");
  EXPECT_EQ(json("x.toml", {"stage.a.l=5"}), R"({"stage":{"a":{"k":"here","l":5,"m":"there"}}})");
  EXPECT_EQ(problems_of("x.toml"),
            "base.toml:3:5: error: the environment variable 'CDC_TEST_UNSET' is not set: set it, or give a default here, ${CDC_TEST_UNSET:-VALUE}");
}

TEST_F(ExtendsTest, HereIsTheFolderOfTheFileThatSaysIt) {
  write("deeper/base.toml", "[stage.a]\nk = \"${here}/list.txt\"\nl = \"${here}\"\n");
  write("x.toml", "extends = \"${here}/deeper/base.toml\"\n[stage.a]\nl = \"${here}/${here:-else}\"\nm = \"$${here}\"\n");
  const std::string folder = folder_.string();
  EXPECT_EQ(read("x.toml").find("stage")->find("a")->value().to_json(),
            R"({"k":")" + folder + R"(/deeper/list.txt","l":")" + folder + "/" + folder + R"(","m":"${here}"})");
  std::vector<Diagnostic> problems;
  EXPECT_EQ(read_spec("a = \"${here}/b\"\n", "f.toml", {}, problems)->value().to_json(), R"({"a":"./b"})");
  EXPECT_TRUE(problems.empty());
  read_spec_file(folder_ / "x.toml", {"stage.a.l=${here}/b"}, problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].text(),
            "command line:1:11: error: '${here}' is the folder of the pipeline file that says it: on the command line write the folder itself");
}

TEST_F(ExtendsTest, ATextExtendsNothing) {
  for (const char* text : {"extends = \"base.toml\"\n", "remove = [\"stage.a\"]\n"}) {
    std::vector<Diagnostic> problems;
    EXPECT_FALSE(read_spec(text, "f.toml", {}, problems).has_value());
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].text(),
              "f.toml:1:1: error: a text that was not read from a file extends none: save it as a file, or write out what it extends");
  }
}

TEST_F(ExtendsTest, TomlSaysWhereValuesComeFrom) {
  ::setenv("CDC_TEST_SET", "value", 1);
  ::unsetenv("CDC_TEST_UNSET");
  write("base.toml", "[stage.a]\nplugin = \"p.a\"\nin.data = \"d\"\nlist = [\"${CDC_TEST_SET}\", 'x']\npart = { plugin = \"p.p\", lr = 1 }\n");
  write("x.toml", "extends = \"base.toml\"\n[stage.a]\npart.deep = { plugin = \"p.d\" }\nreal = 1.5\n");
  const Spec spec = read("x.toml", {"stage.a.part.lr=2", "stage.a.text=${CDC_TEST_SET}${CDC_TEST_UNSET:-d}"});
  Value resolved = spec.value();
  resolved["pipeline"]["seed"] = 0;
  resolved["stage"]["a"]["part"]["momentum"] = 0.5;
  const std::string text = without_folder(to_toml(resolved, spec));
  EXPECT_EQ(text, R"([stage.a]
plugin = "p.a"  # base.toml:2
in.data = "d"  # base.toml:3
list = ["value", "x"]  # base.toml:4, environment CDC_TEST_SET
part.plugin = "p.p"  # base.toml:5
part.lr = 2  # command line
part.deep.plugin = "p.d"  # x.toml:3
part.momentum = 0.5  # default
real = 1.5  # x.toml:4
text = "valued"  # command line, environment CDC_TEST_SET

[pipeline]
seed = 0  # default
)");
  std::vector<Diagnostic> problems;
  const std::optional<Spec> again = read_spec(text, "f.toml", {}, problems);
  ASSERT_TRUE(again && problems.empty());
  EXPECT_EQ(again->value(), resolved);
}

TEST_F(ExtendsTest, OddFileNamesLeaveValidToml) {
  const std::string name = "a\nb\x7f\xff # \"c.toml";
  write(name, "[stage.a]\nk = 1\n");
  const Spec spec = read(name);
  std::vector<Diagnostic> problems;
  const std::string text = to_toml(spec.value(), spec);
  const std::optional<Spec> again = read_spec(text, "f.toml", {}, problems);
  ASSERT_TRUE(again && problems.empty()) << text;
  EXPECT_EQ(again->value(), spec.value());
}

}  // namespace
}  // namespace cdc
