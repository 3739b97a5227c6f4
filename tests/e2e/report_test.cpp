// cdc-report as its user calls it: what the page is given, of runs that ended, that lost something since, and of sweeps.
#include "e2e/small_pipeline.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The data that a page holds.
Value data_of(const fs::path& page) {
  const std::string html = read_file(page), mark = "<script type=\"application/json\" id=\"data\">";
  const std::size_t at = html.find(mark);
  if (at == std::string::npos) throw std::runtime_error("the page holds no data");
  const std::size_t begin = at + mark.size();
  return Value::from_json(html.substr(begin, html.find("</script>", begin) - begin));
}

std::string notes_of(const Value& data) {
  std::string all;
  for (const Value& note : data.at("notes").as_array()) all += note.as_string() + "\n";
  return all;
}

/// Numbers of "u16:...".
std::vector<int> unpacked(const std::string& text) {
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned group = 0;
  int bits = 0;
  for (const char c : text.substr(4)) {
    if (c == '=') break;
    group = group << 6 | static_cast<unsigned>(letters.find(c));
    bits += 6;
    if (bits >= 8) bytes += static_cast<char>(group >> (bits -= 8) & 255U);
  }
  std::vector<int> out;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
    out.push_back(static_cast<unsigned char>(bytes[i]) + 256 * static_cast<unsigned char>(bytes[i + 1]));
  return out;
}

/// Of fake stages, quick: what the program does with runs, folders and what is missing.
class ReportProgram : public FakePipeline {
 protected:
  ProcessResult cdc_report(std::vector<std::string> arguments, const std::string& program = "cdc-report") const {
    arguments.insert(arguments.begin(), {(binary_folder() / "bin" / program).string(), "--plugin", plugin().string()});
    return run_process(arguments, folder, {}, folder);
  }
};

TEST_F(ReportProgram, ImagesAndLabelsOfAnotherDataSetAreNotShown) {
  write_file(folder / "names", "one");
  const fs::path directory = run({"stage.images.path=" + (folder / "names").string()}).directory;
  ASSERT_EQ(cdc_report({"runs/p"}).code, 0);
  EXPECT_EQ(notes_of(data_of(directory / "report.html")), "");
  write_file(folder / "names", "two");
  ASSERT_EQ(cdc_report({"runs/p"}).code, 0);
  const Value data = data_of(directory / "report.html");
  EXPECT_TRUE(has(notes_of(data), "No images and no labels are shown: the data set holds other images now (10 images, two0 to two9 ("))
      << notes_of(data);
  EXPECT_TRUE(has(notes_of(data), ") than those that 'kmeans' clustered (10 images, one0 to one9 (")) << notes_of(data);
  EXPECT_EQ(data.at("samples").find("labels"), nullptr);
}

TEST_F(ReportProgram, ThePageHoldsWhatTheRunWas) {
  const fs::path directory = run().directory;
  const ProcessResult r = cdc_report({"runs/p", "--points", "1000"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, "runs/p/latest/report.html  (")) << r.out;
  const Value data = data_of(directory / "report.html");
  const Value summary = Value::from_json(read_file(directory / "summary.json"));
  EXPECT_EQ(data.at("kind").as_string(), "run");
  EXPECT_EQ(data.at("title").as_string(), "p");
  EXPECT_EQ(data.at("run").at("seed").as_integer(), 7);
  EXPECT_EQ(data.at("run").at("pipeline").as_string(), read_file(directory / "pipeline.toml"));
  EXPECT_EQ(data.at("scores").as_array().size(), 2U);
  EXPECT_EQ(data.at("scores").as_array()[0].at("values").at("acc"), summary.at("scores").at("kmeans").at("acc"));
  ASSERT_EQ(data.at("stages").as_array().size(), 5U);
  const Value& features = data.at("stages").as_array()[1];
  EXPECT_EQ(features.at("name").as_string(), "features");
  EXPECT_EQ(features.at("inputs").as_array()[0].at("from").as_string(), "images");
  ASSERT_EQ(data.at("clusterings").as_array().size(), 2U);
  const Value& kmeans = data.at("clusterings").as_array()[0];
  EXPECT_EQ(kmeans.at("name").as_string(), "kmeans");
  const std::vector<int> cluster = unpacked(kmeans.at("cluster").as_string()), labels = unpacked(data.at("samples").at("labels").as_string());
  EXPECT_EQ(labels, (std::vector<int>{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}));
  ASSERT_EQ(cluster.size(), 10U);
  std::map<std::pair<int, int>, int> counted;
  for (std::size_t i = 0; i < 10; ++i) ++counted[{cluster[i], labels[i]}];
  for (const Value& cell : kmeans.at("confusion").as_array()) {
    const auto at = std::pair(static_cast<int>(cell.as_array()[0].as_integer()), static_cast<int>(cell.as_array()[1].as_integer()));
    EXPECT_EQ(cell.as_array()[2].as_integer(), counted[at]);
    counted.erase(at);
  }
  EXPECT_TRUE(counted.empty());
  EXPECT_EQ(notes_of(data), "");
}

TEST_F(ReportProgram, ARunMayBeNamedAsForCdcRuns) {
  const fs::path one = run().directory, two = run({"stage.kmeans.clusters=3"}).directory;
  for (const std::string& name : {std::string("#1"), one.lexically_relative(folder).string()}) {
    fs::remove(one / "report.html");
    const ProcessResult r = cdc_report({name});
    EXPECT_EQ(r.code, 0) << name << r.err;
    EXPECT_TRUE(fs::exists(one / "report.html")) << name;
  }
  const ProcessResult r = cdc_report({"runs/p", "-o", "page.html"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(data_of(folder / "page.html").at("clusterings").as_array()[0].at("clusters").as_integer(), 3);
  EXPECT_FALSE(fs::exists(two / "report.html"));
}

TEST_F(ReportProgram, CommandsMayBeCopiedWhateverFoldersAreCalled) {
  fs::rename(run().directory, folder / "my run");
  ASSERT_EQ(cdc_report({"my run"}).code, 0);
  const std::string again = data_of(folder / "my run/report.html").at("run").at("again").as_string();
  EXPECT_EQ(again, "cdc-run 'my run/pipeline.toml' --threads 2");
}

TEST_F(ReportProgram, WhatIsShownOfManyIsSaid) {
  const fs::path directory = run().directory;
  ASSERT_EQ(cdc_report({"runs/p", "--points", "4"}).code, 0);
  const Value data = data_of(directory / "report.html");
  EXPECT_EQ(unpacked(data.at("samples").at("labels").as_string()), (std::vector<int>{0, 0, 1, 1}));  // of samples 0, 2, 5, 7
  EXPECT_EQ(notes_of(data), "Of 10 images 4 are shown, evenly spaced; sizes, scores and the confusion matrix are of all.\n");
  std::int64_t all = 0;
  for (const Value& size : data.at("clusterings").as_array()[0].at("sizes").as_array()) all += size.as_integer();
  EXPECT_EQ(all, 10);
}

TEST_F(ReportProgram, WhatIsGoneIsSaidWithTheRemedy) {
  const fs::path directory = run().directory;
  for (const fs::path& file : cached_files("assignment.h5")) fs::remove_all(file.parent_path());
  ProcessResult r = cdc_report({"runs/p"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, "the result of stage 'kmeans' is not in the cache any more: " + (folder / "cache").string())) << r.out;
  EXPECT_TRUE(has(r.out, "`cdc-run runs/p/latest/pipeline.toml` makes it again")) << r.out;
  EXPECT_EQ(data_of(directory / "report.html").find("clusterings"), nullptr);
  fs::remove_all(folder / "cache");
  r = cdc_report({"runs/p"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, "is not there: there is no cache in")) << r.out;
}

TEST_F(ReportProgram, ADamagedResultIsSaid) {
  run();
  for (const fs::path& file : cached_files("features.h5")) fs::resize_file(file, fs::file_size(file) - 100);
  const ProcessResult r = cdc_report({"runs/p"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, "the result of stage 'features' cannot be read (")) << r.out;
  EXPECT_TRUE(has(r.out, "No features of the clustered images are there: no embedding is shown")) << r.out;
}

TEST_F(ReportProgram, WhatIsNoRunIsToldWithTheRemedy) {
  const auto fails = [&](const std::vector<std::string>& arguments, int code, const std::string& message) {
    const ProcessResult r = cdc_report(arguments);
    EXPECT_EQ(r.code, code) << message;
    EXPECT_TRUE(has(r.err, message)) << r.err;
  };
  fs::create_directories(folder / "empty");
  fs::create_directories(folder / "s/cells");
  fails({"empty"}, 4, "cdc-report: empty is no run's directory: it has no run.json");
  fails({"s"}, 4, "s is a sweep's folder: name the sweep's file, *.toml (and with --dir this folder, where it is not sweeps/NAME)");
  fails({"nothing"}, 4, "there is no run 'nothing': 'cdc-runs ls' lists those there are");
  fails({"absent.toml"}, 2, "absent.toml");
  write_file(folder / "p.toml", text);
  write_file(folder / "new.toml", "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n");
  fails({"new.toml", "--dir", "no where"}, 4,
        "there is nothing of this sweep in no where: `cdc-sweep new.toml --dir 'no where' --plugin " + plugin().string() + "` runs it");
  fails({}, 2, "RUN|SWEEP is required; --help lists the options");
  fails({"runs", "--points", "0"}, 2, "--points");
  const fs::path directory = run().directory;
  fails({"runs/p", "--features", "kmeans"}, 4, "no stage 'kmeans' of this run gives features; there is 'features'");
  fails({"runs/p", "-o", "absent/page.html"}, 4, "absent/page.html");
  fs::remove(directory / "summary.json");
  fails({"runs/p"}, 4, "has not ended: the command that began it goes on (");
}

TEST_F(ReportProgram, ASweepsPageHoldsItsTable) {
  write_file(folder / "p.toml", text);
  write_file(folder / "s.toml", "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\nscores = [\"kmeans.acc\"]\n[axes]\nstage.kmeans.steps = [2, 3]\n");
  ASSERT_EQ(cdc_report({"s.toml"}, "cdc-sweep").code, 0);
  const ProcessResult r = cdc_report({"s.toml"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, "sweeps/s/report.html")) << r.out;
  const Value data = data_of(folder / "sweeps/s/report.html");
  EXPECT_EQ(data.at("kind").as_string(), "sweep");
  EXPECT_EQ(data.at("sweep").at("done").as_integer(), 4);
  EXPECT_EQ(data.at("sweep").at("again").as_string(), "cdc-sweep s.toml --plugin " + plugin().string());
  EXPECT_EQ(data.at("table").at("rows").as_array().size(), 2U);
  EXPECT_EQ(data.at("table").at("rows").as_array()[0].at("values").as_array()[0].at("runs").as_integer(), 2);
  EXPECT_EQ(data.at("cells").as_array().size(), 4U);
  EXPECT_FALSE(data.at("charts").as_array().empty());
  EXPECT_EQ(notes_of(data), "");
  ASSERT_EQ(cdc_report({"s.toml", "--dir", "sweeps/s", "--cache", "my cache"}).code, 0);
  EXPECT_EQ(data_of(folder / "sweeps/s/report.html").at("sweep").at("again").as_string(),
            "cdc-sweep s.toml --dir sweeps/s --cache 'my cache' --plugin " + plugin().string());
  // What is missing or failed is said.
  fs::remove(folder / "sweeps/s/cells" / data.at("cells").as_array()[0].at("id").as_string() / "summary.json");
  ASSERT_EQ(cdc_report({"s.toml"}).code, 0);
  const Value later = data_of(folder / "sweeps/s/report.html");
  EXPECT_EQ(later.at("sweep").at("done").as_integer(), 3);
  EXPECT_TRUE(has(notes_of(later), "1 of 4 runs are missing: the same sweep, called again, runs those alone.")) << notes_of(later);
}

/// Of a real training.
class Report : public SmallPipeline {};

TEST_F(Report, ATrainedRunHasAnEmbeddingImagesAndGalleries) {
  ASSERT_EQ(cdc_run().code, 0);
  const std::vector<std::string> command{(binary_folder() / "bin/cdc-report").string(), "runs/small"};
  const ProcessResult r = run_process(command, folder_, environment_, folder_);
  ASSERT_EQ(r.code, 0) << r.err;
  const Value data = data_of(folder_ / "runs/small/latest/report.html");
  EXPECT_EQ(notes_of(data), "");
  EXPECT_EQ(data.at("samples").at("total").as_integer(), 576);
  EXPECT_TRUE(has(data.at("embedding").at("method").as_string(), "of 'features'"));
  EXPECT_EQ(unpacked(data.at("embedding").at("points").as_string()).size(), 2U * 576U);
  EXPECT_FALSE(data.at("curves").as_array().empty());
  const Value& thumbnails = data.at("thumbnails");
  EXPECT_GE(thumbnails.at("columns").as_integer() * thumbnails.at("rows").as_integer() *
                static_cast<std::int64_t>(thumbnails.at("sheets").as_array().size()),
            576);
  EXPECT_TRUE(has(thumbnails.at("sheets").as_array()[0].as_string().substr(0, 40), "data:image/jpeg;base64,/9j/"));
  ASSERT_EQ(data.at("clusterings").as_array().size(), 2U);
  const std::vector<Value>& pictured = data.at("pictures").at("of").as_array();
  for (const Value& clustering : data.at("clusterings").as_array()) {
    EXPECT_EQ(clustering.at("certainty").as_string(), "simplified silhouette in 'features'");
    const std::vector<int> cluster = unpacked(clustering.at("cluster").as_string());
    for (const Value& gallery : clustering.at("gallery").as_array()) {
      EXPECT_FALSE(gallery.at("certain").as_array().empty());
      for (const char* row : {"certain", "uncertain", "doubtful"})
        for (const Value& sample : gallery.at(row).as_array()) {
          EXPECT_EQ(cluster[static_cast<std::size_t>(sample.as_integer())], gallery.at("cluster").as_integer());
          EXPECT_NE(std::find(pictured.begin(), pictured.end(), sample), pictured.end());
        }
    }
  }
  const Value& training = data.at("stages").as_array()[1];
  EXPECT_EQ(training.at("nodes").as_array().size(), 5U);
  EXPECT_GE(training.at("waiting").as_real(), 0);
  // The images are gone: everything else is shown.
  fs::rename(folder_ / "data", folder_ / "elsewhere");
  ASSERT_EQ(run_process(command, folder_, environment_, folder_).code, 0);
  const Value without = data_of(folder_ / "runs/small/latest/report.html");
  EXPECT_TRUE(
      has(notes_of(without), "No images and no labels are shown, since the data set cannot be opened here: stage 'images' (plugin dataset.idx): "))
      << notes_of(without);
  EXPECT_EQ(without.find("thumbnails"), nullptr);
  EXPECT_NE(without.find("embedding"), nullptr);
}

}  // namespace
}  // namespace cdc::test
