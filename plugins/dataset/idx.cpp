#include <zlib.h>

#include <fmt/format.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "array_dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"

namespace {

using cdc::Error;
namespace fs = std::filesystem;

/// An IDX file, gzip or plain: zlib tells them apart by the content and passes plain files through.
class IdxFile {
 public:
  explicit IdxFile(const fs::path& path) : name_(path.string()) {
    errno = 0;
    file_ = gzopen(name_.c_str(), "rb");
    if (!file_) throw Error(fmt::format("{}: cannot be opened: {}", name_, errno ? std::strerror(errno) : "out of memory"));
    gzbuffer(file_, 1u << 18);
  }
  ~IdxFile() { gzclose(file_); }
  IdxFile(const IdxFile&) = delete;
  IdxFile& operator=(const IdxFile&) = delete;

  /// The header: `dimensions` sizes of unsigned bytes.
  std::vector<std::int64_t> header(int dimensions, const char* what) {
    const std::uint32_t expected = 0x800u + static_cast<std::uint32_t>(dimensions);
    const std::uint32_t magic = word();
    if (magic != expected) {
      throw Error(fmt::format("{}: wrong magic number 0x{:08x}; IDX {} of unsigned bytes begin with 0x{:08x}", name_, magic, what, expected));
    }
    std::vector<std::int64_t> sizes;
    for (int d = 0; d < dimensions; ++d) sizes.push_back(word());
    return sizes;
  }

  void read(std::uint8_t* out, std::size_t bytes) {
    std::size_t done = 0;
    while (done < bytes) {
      const int got = gzread(file_, out + done, static_cast<unsigned>(std::min<std::size_t>(bytes - done, 1u << 30)));
      if (got <= 0) fail(bytes, done);
      done += static_cast<std::size_t>(got);
    }
  }

  /// Checks that the file ends here; of a gzip file, that its checksum is right.
  void end() {
    std::uint8_t extra = 0;
    const int got = gzread(file_, &extra, 1);
    if (got > 0) throw Error(fmt::format("{}: holds more bytes than its header says; it is damaged or not what its name says", name_));
    int code = 0;
    const std::string text = problem(code);
    if (got < 0 || code == Z_BUF_ERROR) throw Error(fmt::format("{}: damaged ({}); fetch it again", name_, text));
  }

  const std::string& name() const { return name_; }

 private:
  std::uint32_t word() {
    std::uint8_t b[4];
    read(b, 4);
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | std::uint32_t{b[3]};
  }
  /// zlib's words, without the file's name that it puts before them.
  std::string problem(int& code) const {
    const std::string text = gzerror(file_, &code);
    return text.rfind(name_ + ": ", 0) == 0 ? text.substr(name_.size() + 2) : text;
  }
  [[noreturn]] void fail(std::size_t wanted, std::size_t done) {
    int code = 0;
    const std::string text = problem(code);
    if (code != Z_OK && code != Z_BUF_ERROR) throw Error(fmt::format("{}: damaged ({}); fetch it again", name_, text));
    throw Error(fmt::format("{}: cut short: {} bytes are missing of a part of {}; fetch it again", name_, wanted - done, wanted));
  }

  std::string name_;
  gzFile file_ = nullptr;
};

/// The MNIST family: pairs of IDX files, images [N, H, W] and labels [N] of unsigned bytes.
class IdxStage final : public cdc::Stage {
 public:
  std::string root = "/usr/share/datasets/fashion-mnist";
  std::string split = "train";
  std::string prefix;
  std::vector<std::string> names;

  static constexpr cdc::Out<cdc::Dataset> kData{"data", "The images and their labels"};

  static void describe(cdc::Schema<IdxStage>& s) {
    s.summary("MNIST and its kin (Fashion-MNIST, KMNIST, EMNIST): IDX files, gzip or plain.");
    s.param(&IdxStage::root, "root", "Folder of the files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-...; with or without .gz")
        .no_effect_on_result();  // what lies there counts: files()
    s.param(&IdxStage::split, "split", "Which samples").choices({"train", "test", "train+test"});
    s.param(&IdxStage::prefix, "prefix", "What the files' names begin with, e.g. \"emnist-balanced-\"");
    s.param(&IdxStage::names, "class_names", "Names of the classes in order of the labels; empty: the labels' numbers");
    s.output(kData);
    s.size("N", [](const IdxStage&) { return 0; });
    s.size("C", [](const IdxStage&) { return 1; });
    s.size("H", [](const IdxStage&) { return 0; });
    s.size("W", [](const IdxStage&) { return 0; });
    s.uncached().unseeded();
  }

  std::vector<fs::path> files() const override {
    std::vector<fs::path> all;
    for (const std::string& part : cdc::dataset::split_parts(split)) {
      all.push_back(find(part, "images", 3));
      all.push_back(find(part, "labels", 1));
    }
    return all;
  }

  void run(cdc::StageContext& context) override {
    const std::vector<fs::path> paths = files();
    const std::size_t parts = paths.size() / 2;
    const std::vector<std::string> split_names = cdc::dataset::split_parts(split);
    std::vector<std::vector<std::int64_t>> shapes(parts);
    cdc::dataset::ArrayContents c;
    // Headers first: they say how much memory there must be, so that each part is inflated straight into its place.
    std::int64_t total = 0;
    for (std::size_t p = 0; p < parts; ++p) {
      IdxFile images(paths[2 * p]), labels(paths[2 * p + 1]);
      shapes[p] = images.header(3, "images");
      const std::int64_t labelled = labels.header(1, "labels").front();
      if (labelled != shapes[p][0]) {
        throw Error(fmt::format("{}: {} labels, but {} holds {} images; the files do not belong together", labels.name(), labelled, images.name(),
                                shapes[p][0]));
      }
      const auto [n, h, w] = std::array{shapes[p][0], shapes[p][1], shapes[p][2]};
      if (n == 0 || h == 0 || w == 0 || h > 4096 || w > 4096) {
        throw Error(fmt::format("{}: {} images of {} x {}; sizes of 1 to 4096 and at least one image are expected", images.name(), n, h, w));
      }
      if (h != shapes[0][1] || w != shapes[0][2]) {
        throw Error(
            fmt::format("{}: images of {} x {}, but those of {} are {} x {}", images.name(), h, w, paths[0].string(), shapes[0][1], shapes[0][2]));
      }
      // Deflate shrinks at most 1032 : 1, so a header that promises more than that is wrong: found before the memory is asked for.
      if (static_cast<double>(n) * static_cast<double>(h * w) > 1032.0 * static_cast<double>(fs::file_size(paths[2 * p])) + 64) {
        throw Error(fmt::format("{}: cut short: its header promises {} images of {} x {}; fetch it again", images.name(), n, h, w));
      }
      total += n;
      c.sources.push_back({images.name(), n, split_names[p]});
    }
    c.height = static_cast<int>(shapes[0][1]);
    c.width = static_cast<int>(shapes[0][2]);
    c.channels = 1;
    c.split = split;
    const std::size_t bytes = static_cast<std::size_t>(c.height) * static_cast<std::size_t>(c.width);
    c.pixels = cdc::dataset::allocate_pixels(static_cast<std::size_t>(total) * bytes);
    std::vector<std::uint8_t> raw(static_cast<std::size_t>(total));

    std::vector<std::size_t> first(parts, 0);
    for (std::size_t p = 1; p < parts; ++p) first[p] = first[p - 1] + static_cast<std::size_t>(shapes[p - 1][0]);
    cdc::parallel_chunks(static_cast<std::int64_t>(2 * parts), 1, [&](std::int64_t begin, std::int64_t) {
      const auto f = static_cast<std::size_t>(begin);
      const std::size_t p = f / 2, n = static_cast<std::size_t>(shapes[p][0]);
      IdxFile file(paths[f]);
      if (f % 2 == 0) {
        file.header(3, "images");
        file.read(c.pixels.get() + first[p] * bytes, n * bytes);
      } else {
        file.header(1, "labels");
        file.read(raw.data() + first[p], n);
      }
      file.end();
    });

    const int highest = *std::max_element(raw.begin(), raw.end());
    c.class_names = names;
    if (names.empty()) {
      for (int k = 0; k <= highest; ++k) c.class_names.push_back(std::to_string(k));
    }
    for (std::size_t p = 0; p < parts; ++p) {
      for (std::int64_t i = 0; i < shapes[p][0]; ++i) {
        const std::uint8_t label = raw[first[p] + static_cast<std::size_t>(i)];
        if (label >= c.class_names.size()) {
          throw Error(fmt::format("{}: label {} of sample {} is out of range: class_names names {} classes", paths[2 * p + 1].string(), label, i,
                                  names.size()));
        }
      }
    }
    c.labels.assign(raw.begin(), raw.end());
    context.out(kData, std::shared_ptr<const cdc::Dataset>(std::make_shared<cdc::dataset::ArrayDataset>(std::move(c))));
  }

 private:
  /// The file of a part, in any of its usual spellings.
  fs::path find(const std::string& part, const std::string& what, int dimensions) const {
    const std::string stem = prefix + (part == "train" ? "train" : "t10k") + "-" + what;
    const std::string test = prefix + "test-" + what;  // EMNIST
    const std::string ending = "idx" + std::to_string(dimensions) + "-ubyte";
    std::vector<std::string> stems{stem};
    if (part == "test") stems.push_back(test);
    for (const std::string& s : stems) {
      for (const char* dot : {"-", "."}) {
        for (const char* gz : {"", ".gz"}) {
          fs::path path = fs::path(root) / (s + dot + ending + gz);
          std::error_code ignored;
          if (fs::is_regular_file(path, ignored)) return path;
        }
      }
    }
    throw Error(fmt::format(
        "{}: not there (nor with .gz at its end); set root to the folder of the IDX files. Fashion-MNIST is Debian's package dataset-fashion-mnist",
        (fs::path(root) / (stem + "-" + ending)).string()));
  }
};

}  // namespace

CDC_PLUGIN(IdxStage, "dataset.idx")
