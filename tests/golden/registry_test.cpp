#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "cdc/error.hpp"
#include "cdc/plugin.hpp"
#include "golden/planning.hpp"
#include "plugin/abi.hpp"

namespace {

namespace fs = std::filesystem;
using cdc::ComponentInfo;
using cdc::Registry;
using cdc::Value;

fs::path bad(const std::string& name) { return cdc::test::binary_folder() / "tests/bad_plugins" / ("bad_" + name + ".so"); }

/// What loading the file says; "" where it loads.
std::string refusal(const fs::path& file, Registry& registry) {
  try {
    registry.load_library(file);
  } catch (const cdc::PluginError& e) {
    return e.what();
  }
  return "";
}
std::string refusal(const fs::path& file) {
  Registry registry;
  const std::string text = refusal(file, registry);
  EXPECT_TRUE(text.empty() || registry.all().empty()) << "of a refused library nothing is known";
  return text;
}

class RegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("cdc_registry_test." + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    ::unsetenv("CDC_TEST_BAD_PLUGIN_RAN");
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path write(const std::string& name, const std::string& bytes) const {
    cdc::test::write_file(folder_ / name, bytes);
    return folder_ / name;
  }
  /// The fine library with a change in its ABI tags.
  template <class Change>
  fs::path patched(const std::string& name, Change change) const {
    std::string bytes = cdc::test::read_file(bad("fine"));
    int found = 0;
    for (std::size_t at = 0; (at = bytes.find(std::string(cdc::kThisAbi.magic, 8), at)) != std::string::npos; at += 8) {
      cdc::AbiTag tag;
      std::memcpy(&tag, bytes.data() + at, sizeof(tag));
      if (tag.size != sizeof(tag)) continue;
      change(tag);
      std::memcpy(bytes.data() + at, &tag, sizeof(tag));
      ++found;
    }
    EXPECT_GT(found, 0);
    return write(name, bytes);
  }
  fs::path folder_;
};

std::string library_text(const fs::path& file) { return "plugin library " + fs::weakly_canonical(file).string() + " "; }

TEST_F(RegistryTest, LoadsAFineLibraryOnce) {
  Registry registry;
  EXPECT_EQ(refusal(bad("fine"), registry), "");
  EXPECT_EQ(refusal(bad("fine"), registry), "");  // the same file, twice: nothing more
  ASSERT_EQ(registry.all().size(), 1u);
  EXPECT_EQ(registry.find("bad.wrong")->library, fs::canonical(bad("fine")).string());
  EXPECT_EQ(registry.find("bad.wrong")->kind, cdc::Kind::stage);
  EXPECT_EQ(registry.find("bad.worse"), nullptr);
  EXPECT_NE(std::getenv("CDC_TEST_BAD_PLUGIN_RAN"), nullptr);
}

TEST_F(RegistryTest, RefusesAnotherAbiBeforeAnyCodeRuns) {
  const cdc::AbiTag& ours = cdc::kThisAbi;
  const std::string remedy = ". Rebuild it against this engine's installed SDK (find_package(cdc))";
  const std::string compiler = " (with " + std::string(ours.compiler == 2 ? "Clang " : "GCC ") + std::to_string(ours.compiler_major) + ")";
  const auto says = [&](const fs::path& file, const std::string& theirs, const std::string& here) {
    EXPECT_EQ(refusal(file), library_text(file) + "does not fit this engine: it was built for " + theirs + ", this engine for " + here + remedy);
    EXPECT_EQ(std::getenv("CDC_TEST_BAD_PLUGIN_RAN"), nullptr);
  };
  says(patched("sdk.so", [](cdc::AbiTag& t) { t.sdk_version += 1; }), "SDK " + std::to_string(ours.sdk_version + 1) + compiler,
       "SDK " + std::to_string(ours.sdk_version));
  says(patched("standard.so", [](cdc::AbiTag& t) { t.cplusplus = 202002; }), "C++ standard 202002" + compiler,
       "C++ standard " + std::to_string(ours.cplusplus));
  const auto torch = [](const cdc::AbiTag& t) {
    return "LibTorch " + std::to_string(t.torch_major) + "." + std::to_string(t.torch_minor) + "." + std::to_string(t.torch_patch);
  };
  cdc::AbiTag other = ours;
  other.torch_minor += 1;
  says(patched("torch.so", [](cdc::AbiTag& t) { t.torch_minor += 1; }), torch(other) + compiler, torch(ours));
  says(patched("old_abi.so",
               [](cdc::AbiTag& t) {
                 t.cxx11_abi = 1 - t.cxx11_abi;
                 t.torch_minor += 1;
               }),
       "_GLIBCXX_USE_CXX11_ABI=" + std::to_string(1 - ours.cxx11_abi) + ", " + torch(other) + compiler,
       "_GLIBCXX_USE_CXX11_ABI=" + std::to_string(ours.cxx11_abi) + ", " + torch(ours));
  // Another compiler is told, not refused: the two agree.
  EXPECT_EQ(refusal(patched("clang.so", [](cdc::AbiTag& t) { t.compiler = 3 - t.compiler; })), "");
}

TEST_F(RegistryTest, RefusesWhatIsNoPluginLibrary) {
  const auto says = [&](const fs::path& file, const std::string& text) { EXPECT_EQ(refusal(file), library_text(file) + text); };
  says(folder_ / "missing.so", "cannot be opened: check its name and that it may be read");
  says(folder_, "is a folder, not a plugin library: name the .so file");
  says(write("text.so", "This is a text, and a long enough one at that.\n"),
       "is no shared object: remove it from the plugin folder, or build it as one (add_library(... MODULE ...))");
  says(write("empty.so", ""), "is no shared object: remove it from the plugin folder, or build it as one (add_library(... MODULE ...))");
  says(bad("no_plugin"),
       "is a shared object, but no plugin library: it has no CDC_PLUGIN(...). Remove it from the plugin folder, or add one and rebuild it");
  says(bad("no_entries"),
       "exports no plugin entries: rebuild it without a linker script or option that hides cdc_plugin_entries_begin and cdc_plugin_entries_end");
  std::string bytes = cdc::test::read_file(bad("fine"));
  std::string other = bytes;
  other[18] = 40;  // e_machine: ARM
  other[19] = 0;
  says(write("arm.so", other), "was built for another processor: rebuild it on this machine");
  other = bytes;
  other[4] = 1;  // 32 bits
  says(write("narrow.so", other), "was built for another processor: rebuild it on this machine");
  other = bytes;
  other[16] = 1;  // e_type: relocatable, an object file
  says(write("object.so", other), "is an ELF file, but no shared object: link it with -shared (add_library(... MODULE ...))");
}

TEST_F(RegistryTest, RefusesATruncatedLibraryWhereverItIsCut) {
  const std::string bytes = cdc::test::read_file(bad("fine"));
  for (std::size_t size = 64; size < bytes.size(); size += 97) {
    const fs::path file = write("cut.so", bytes.substr(0, size));
    EXPECT_EQ(refusal(file), library_text(file) + "is cut short or damaged: build or copy it again") << size;
  }
  EXPECT_EQ(std::getenv("CDC_TEST_BAD_PLUGIN_RAN"), nullptr);
}

TEST_F(RegistryTest, TheHashOfALibraryIsOfWhatIsLoadedOfIt) {
  const std::string bytes = cdc::test::read_file(bad("fine"));
  const std::string code = cdc::read_library(bad("fine")).code;
  EXPECT_EQ(code.rfind("code:", 0), 0u);
  EXPECT_EQ(cdc::read_library(write("copy.so", bytes)).code, code);
  // Another build of the same code: another id, and what stays on disk.
  std::string again = bytes + "debug information";
  const std::size_t note = again.find(std::string("\x14\0\0\0\3\0\0\0GNU\0", 12));
  ASSERT_NE(note, std::string::npos) << "the linker gives builds no id here";
  again[note + 12] = static_cast<char>(again[note + 12] + 1);
  EXPECT_EQ(cdc::read_library(write("again.so", again)).code, code);
  // A constant of its code.
  std::string other = bytes;
  const std::size_t text = other.find("CDC_TEST_BAD_PLUGIN_RAN");
  ASSERT_NE(text, std::string::npos);
  other[text] = 'X';
  EXPECT_NE(cdc::read_library(write("other.so", other)).code, code);
}

TEST_F(RegistryTest, KnowsALibraryAndThoseOfItsOwnThatItNeeds) {
  const fs::path folder = fs::canonical(cdc::test::binary_folder() / "tests/helped_plugin");
  for (int times = 0; times < 2; ++times) {  // when it is loaded already, too
    Registry registry;
    registry.load_library(folder / "libhelped_plugin.so");
    const cdc::PluginLibrary& library = registry.library(*registry.find("test.helped"));
    EXPECT_EQ(library.path, folder / "libhelped_plugin.so");
    EXPECT_EQ(library.code, cdc::read_library(library.path).code);
    EXPECT_FALSE(library.bundled);
    EXPECT_EQ(library.helpers, std::vector<fs::path>{folder / "libtest_helper.so"});  // neither libcdc_core.so nor the system's
    registry.load_library(bad("fine"));
    EXPECT_EQ(registry.libraries().size(), 2u);
  }
}

TEST_F(RegistryTest, ReadsTagsOfDamagedFilesWithoutHarm) {
  const std::string bytes = cdc::test::read_file(bad("fine"));
  unsigned state = 1;
  const auto random = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string damaged = bytes;
    // The headers of file, segments and sections, where sizes and offsets are.
    const bool front = random() % 2 == 0;
    for (int flips = 0; flips < 3; ++flips) damaged[front ? random() % 700 : damaged.size() - 1 - random() % 2200] = static_cast<char>(random());
    try {
      cdc::read_library(write("damaged.so", damaged));
    } catch (const cdc::PluginError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_F(RegistryTest, SaysWhatAPluginDoesWrong) {
  const auto says = [&](const std::string& name, const std::string& text) { EXPECT_EQ(refusal(bad(name)), library_text(bad(name)) + text); };
  says("throws", "has a plugin 'bad.wrong' whose describe() threw: no word on me. Mend the plugin and rebuild it, or remove the library");
  says("throws_number",
       "has a plugin 'bad.wrong' whose describe() threw: an exception that is no std::exception. Mend the plugin and rebuild it, or remove the "
       "library");
  says("id", "has a plugin with the id 'Wrong': an id is \"family.name\" in small letters, digits and underscores; rename it");
  says("twice", "has two plugins with the id 'bad.twice': rename one of them");
  says("parameter_twice", "has a plugin 'bad.wrong' that declares the parameter 'same' twice: rename one");
  says("reserved", "has a plugin 'bad.wrong' that declares a parameter 'in', which a pipeline file cannot name: rename it");
  says("default", "has a plugin 'bad.wrong' that declares a default that the parameter 'first' itself refuses: it must be 2 to 3, found 1");
  says("port_twice", "has a plugin 'bad.wrong' that declares the port 'same' twice: rename one");
  says("port_kind", "has a plugin 'bad.wrong' that is a stage, but declares the port 'images' of type Images");
  const std::string symbol = refusal(bad("symbol"));
  EXPECT_EQ(symbol.find(library_text(bad("symbol")) + "cannot be loaded: "), 0u) << symbol;
  EXPECT_NE(symbol.find("nobody_has_this"), std::string::npos) << symbol;
  EXPECT_NE(symbol.find(". Install the library that is missing, or rebuild the plugin against this engine's SDK"), std::string::npos) << symbol;
}

TEST_F(RegistryTest, RefusesAnIdThatIsTakenAndKeepsTheFirst) {
  Registry registry;
  registry.load_library(cdc::test::test_plugins());
  const std::size_t before = registry.all().size();
  EXPECT_EQ(refusal(bad("duplicate"), registry), library_text(bad("duplicate")) + "has a plugin with the id 'dataset.test', and so has " +
                                                     fs::canonical(cdc::test::test_plugins()).string() +
                                                     ": rename one of them, or remove one of the libraries");
  EXPECT_EQ(registry.all().size(), before);
  EXPECT_EQ(registry.find("dataset.test")->summary, "A data set of no images.");
}

TEST_F(RegistryTest, LoadsFolders) {
  fs::copy_file(bad("fine"), folder_ / "fine.so");
  write("readme.txt", "not a library, and not looked at");
  Registry registry;
  registry.load_folder(folder_);
  EXPECT_NE(registry.find("bad.wrong"), nullptr);
  try {
    registry.load_folder(folder_ / "nowhere");
    FAIL();
  } catch (const cdc::PluginError& e) {
    EXPECT_EQ(std::string(e.what()),
              "the plugin folder " + (folder_ / "nowhere").string() + " cannot be read: No such file or directory. Check CDC_PLUGIN_PATH");
  }
}

TEST(RegistryCreate, SetsParameters) {
  const Registry& registry = cdc::test::registry();
  const ComponentInfo& train = *registry.find("stage.train");
  Value parameters = Value::table();
  parameters["loss"] = "loss";
  parameters["optimizer"]["plugin"] = "optimizer.sgd";
  parameters["optimizer"]["lr"] = 1;
  EXPECT_NE(registry.create(train, parameters), nullptr);
  Value head = Value::table();
  head["clusters"] = 4;
  head["over"] = 9;
  const ComponentInfo& info = *registry.find("head.test");
  const auto made = registry.create(info, head);
  EXPECT_EQ(info.sizes[0].value(*made), 4);
  EXPECT_EQ(info.sizes[1].value(*made), 128);  // the default
  EXPECT_EQ(info.sizes[0].parameter, "clusters");
  EXPECT_TRUE(info.output("second")->present(*made));
  EXPECT_FALSE(info.output("second")->present(*registry.create(info, Value::from_json(R"({"clusters": 4})"))));
}

TEST(RegistryCreate, RefusesWhatDoesNotFit) {
  const Registry& registry = cdc::test::registry();
  const auto problem = [&](const std::string& id, const std::string& json) -> std::string {
    try {
      registry.create(*registry.find(id), Value::from_json(json));
    } catch (const cdc::Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(problem("head.test", R"({"clusters": 4, "clsters": 3})"), "plugin 'head.test': there is no parameter 'clsters'");
  EXPECT_EQ(problem("head.test", "{}"), "plugin 'head.test': the parameter 'clusters' is required");
  EXPECT_EQ(problem("head.test", R"({"clusters": 1})"), "plugin 'head.test': 'clusters' must be at least 2, found 1");
  EXPECT_EQ(problem("head.test", R"({"clusters": 3000000000})"), "plugin 'head.test': 'clusters': 3000000000 does not fit 32 bits with a sign");
  EXPECT_EQ(problem("head.test", R"({"clusters": 4, "over": 2})"), "plugin 'head.test': 'over' must be more than 'clusters'");
  EXPECT_EQ(problem("odd.unmakeable", "{}"), "plugin 'odd.unmakeable': out of order");
  const auto with = [&](const std::string& optimizer) { return problem("stage.train", R"({"loss": "x", "optimizer": )" + optimizer + "}"); };
  EXPECT_EQ(with(R"({"plugin": "optimizer.sgd", "lr": 0.1})"), "");
  EXPECT_EQ(with(R"({"plugin": "optimizer.sgd"})"), "plugin 'optimizer.sgd': the parameter 'lr' is required");
  EXPECT_EQ(with(R"({"plugin": "optimizer.none"})"), "plugin 'stage.train': 'optimizer': there is no plugin 'optimizer.none'");
  EXPECT_EQ(with(R"({"plugin": "schedule.cosine"})"),
            "plugin 'stage.train': 'optimizer' must be an optimizer plugin, but 'schedule.cosine' is a schedule");
  EXPECT_EQ(with("3"), "plugin 'stage.train': 'optimizer' must be a table that names an optimizer, optimizer = { plugin = \"optimizer.NAME\", ... }");
}

}  // namespace
