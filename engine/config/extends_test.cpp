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

TEST_F(ExtendsTest, OfAListTheLastWins) {
  write("first.toml", "extends = \"deeper/base.toml\"\n[stage.a]\nplugin = \"p.a\"\nk = 2\nl = 2\nin.x = \"u\"\n[stage.a.graph.n]\n");
  write("deeper/base.toml", "[stage.a]\nk = 1\nl = 1\nm = 1\n[stage.b]\nk = 1\nl = 1\n");
  write("deeper/part.toml", "extends = \"parts_base.toml\"\nremove = [\"stage.c\"]\n[stage.b]\nk = 3\n[stage.a]\nl = 3\n");
  write("deeper/parts_base.toml", "[stage.c]\n[stage.a]\nm = 4\nl = 4\n[stage.d]\nk = 4\n");
  ::setenv("CDC_TEST_SET", "part", 1);
  const std::string list = "extends = [\"first.toml\", \"${here}/deeper/${CDC_TEST_SET}.toml\"]\n";
  write("x.toml", list);
  EXPECT_EQ(json("x.toml"), R"({"stage":{"a":{"k":2,"l":3,"m":4,"plugin":"p.a","in":{"x":"u"},"graph":{"n":{}}},"b":{"k":3,"l":1},"d":{"k":4}}})");
  const Spec whole = read("x.toml");
  EXPECT_EQ(without_folder(to_toml(whole.find("stage")->find("b")->value(), *whole.find("stage")->find("b"))),
            "k = 3  # deeper/part.toml:4\nl = 1  # deeper/base.toml:7\n");
  // Then `remove`, then the file's own tables.
  write("y.toml", list + "remove = [\"stage.d.k\", \"stage.b\", \"stage.a.in.x\"]\n[stage.b]\nl = 5\n[stage.a]\nm = 5\n");
  EXPECT_EQ(json("y.toml"), R"({"stage":{"a":{"k":2,"l":3,"m":5,"plugin":"p.a","in":{},"graph":{"n":{}}},"d":{},"b":{"l":5}}})");
  // Another plugin: wiring stays, and the file with the list may remove it.
  write("plugin.toml", "[stage.a]\nplugin = \"p.b\"\n");
  write("z.toml", "extends = [\"first.toml\", \"plugin.toml\"]\n");
  const Spec spec = read("z.toml");
  const Spec& a = *spec.find("stage")->find("a");
  EXPECT_EQ(a.value().to_json(), R"({"in":{"x":"u"},"graph":{"n":{}},"plugin":"p.b"})");
  EXPECT_EQ(without_folder(a.remover), "z.toml");
  EXPECT_LT(a.find("plugin")->where.depth, a.find("in")->find("x")->where.depth);
  EXPECT_EQ(place(spec), "z.toml:1:1");
  // One file in a list is that file.
  write("w.toml", "extends = [\"x.toml\"]\n");
  EXPECT_EQ(json("w.toml"), json("x.toml"));
}

TEST_F(ExtendsTest, TwoWaysToOneFileAreNoCircle) {
  write("base.toml", "[stage.a]\nk = 1\nl = 1\nday = 1979-05-27\n");
  write("one.toml", "extends = \"base.toml\"\n[stage.a]\nk = 2\nday = 1\n[stage.b]\n");
  write("other.toml", "extends = \"./base.toml\"\n[stage.a]\nl = 3\nday = 1\n");
  write("x.toml", "extends = [\"one.toml\", \"other.toml\", \"deeper/../base.toml\"]\n");
  // Said once, by the name that was read first.
  EXPECT_EQ(problems_of("x.toml"), "deeper/../base.toml:4:7: error: dates and times are no values here: write a string in quotes");
  write("base.toml", "[stage.a]\nk = 1\nl = 1\n");
  write("y.toml", "extends = [\"one.toml\", \"other.toml\"]\n");
  // The base is laid on with the second file again.
  EXPECT_EQ(json("y.toml"), R"({"stage":{"a":{"k":1,"l":3,"day":1},"b":{}}})");
  // Twice as many ways with each file: each is read once.
  for (int i = 0; i < 40; ++i) {
    const std::string next = std::to_string(i + 1) + ".toml";
    write("a" + std::to_string(i) + ".toml", "extends = [\"a" + next + "\", \"b" + next + "\"]\n");
    write("b" + std::to_string(i) + ".toml", "extends = [\"b" + next + "\", \"a" + next + "\"]\n[stage.b]\n");
  }
  write("a40.toml", "[stage.a]\n");
  write("b40.toml", "[stage.a]\nk = 1\n");
  EXPECT_EQ(json("a0.toml"), R"({"stage":{"a":{"k":1},"b":{}}})");
  // A link in another folder means other files by the same names.
  write("linked.toml", "extends = \"base.toml\"\n[stage.b]\nk = \"${here}\"\n");
  write("deeper/base.toml", "[stage.a]\nk = 5\n");
  fs::create_symlink("../linked.toml", folder_ / "deeper/link.toml");
  write("two.toml", "extends = \"linked.toml\"\n");
  write("z.toml", "extends = [\"two.toml\", \"deeper/link.toml\"]\n");
  EXPECT_EQ(json("z.toml"), R"({"stage":{"a":{"k":5,"l":1},"b":{"k":")" + (folder_ / "deeper").string() + R"("}}})");
}

TEST_F(ExtendsTest, AWrongListSaysWhere) {
  write("base.toml", "[stage.a]\nk = 1\n");
  const auto said = [&](const std::string& list) {
    write("x.toml", "extends = " + list + "\n");
    return problems_of("x.toml");
  };
  const std::string form = "'extends' must name a file or a list of files, extends = \"FILE.toml\" or [\"ONE.toml\", \"OTHER.toml\"], found ";
  EXPECT_EQ(said("[]"), "x.toml:1:11: error: " + form + "[]");
  EXPECT_EQ(said("3"), "x.toml:1:11: error: " + form + "3");
  EXPECT_EQ(said("[\"base.toml\", 3, [\"base.toml\"]]"), "x.toml:1:25: error: " + form + "3\nx.toml:1:28: error: " + form + "[\"base.toml\"]");
  EXPECT_EQ(said("[1979-05-27]"), "x.toml:1:12: error: dates and times are no values here: write a string in quotes");
  ::unsetenv("CDC_TEST_UNSET");
  EXPECT_EQ(said("[\"base.toml\", \"${CDC_TEST_UNSET}\"]"),
            "x.toml:1:25: error: the environment variable 'CDC_TEST_UNSET' is not set: set it, or give a default here, ${CDC_TEST_UNSET:-VALUE}");
  EXPECT_EQ(said("[\"base.toml\",\n \"base.toml\"]"),
            "x.toml:2:2: error: the file 'base.toml' is in this list already, as 'base.toml': take one of the two out");
  EXPECT_EQ(said("[\"base.toml\", \"deeper/../base.toml\"]"),
            "x.toml:1:25: error: the file 'deeper/../base.toml' is in this list already, as 'base.toml': take one of the two out");
  // Both are told.
  const std::string remedy =
      "cannot be opened (No such file or directory): check its name and that it may be read; its name is relative to the folder of the file that "
      "says it";
  EXPECT_EQ(said("[\"no.toml\", \"base.toml\", \"none.toml\"]"),
            "x.toml:1:12: error: the file 'no.toml' that this one extends " + remedy + " (x.toml -> no.toml)\n" +
                "x.toml:1:36: error: the file 'none.toml' that this one extends " + remedy + " (x.toml -> none.toml)");
  write("part.toml", "extends = [\"base.toml\", \"x.toml\"]\n");
  EXPECT_EQ(said("[\"base.toml\", \"part.toml\"]"),
            "part.toml:1:25: error: these files extend each other in a circle: x.toml -> part.toml -> x.toml. Take one 'extends' away");
  EXPECT_EQ(said("[\"base.toml\", \"x.toml\"]"),
            "x.toml:1:25: error: these files extend each other in a circle: x.toml -> x.toml. Take one 'extends' away");
  write("part.toml", "remove = [\"stage.a\"]\n");
  EXPECT_EQ(said("[\"base.toml\", \"part.toml\"]"),
            "part.toml:1:1: error: 'remove' takes something out of the file that this one extends, but it extends none: write extends = "
            "\"FILE.toml\" before it, or leave it out");
}

TEST_F(ExtendsTest, ProblemsAreSortedByTheOrderInWhichFilesWin) {
  const std::string wrong = "[stage.a]\nday = 1979-05-27\n";
  write("a.toml", wrong);
  write("c.toml", "extends = \"a.toml\"\n" + wrong);
  write("b.toml", wrong);
  write("x.toml", "extends = [\"b.toml\", \"c.toml\"]\n" + wrong);
  const std::string message = ": error: dates and times are no values here: write a string in quotes";
  EXPECT_EQ(problems_of("x.toml"), "x.toml:3:7" + message + "\nc.toml:3:7" + message + "\na.toml:2:7" + message + "\nb.toml:2:7" + message);
}

TEST_F(ExtendsTest, AChainEndsAfterAHundredFiles) {
  for (int i = 1; i < 5000; ++i) write(std::to_string(i) + ".toml", "extends = \"" + std::to_string(i + 1) + ".toml\"\n");
  EXPECT_EQ(problems_of("1.toml"),
            "100.toml:1:11: error: more than 100 files extend one another, from '1.toml' to '101.toml': join some of them into one");
  write("100.toml", "[stage.a]\nk = 1\n");
  EXPECT_EQ(json("1.toml"), R"({"stage":{"a":{"k":1}}})");
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
