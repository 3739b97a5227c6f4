#include <fmt/format.h>

#include "array_dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"
#include "files.hpp"

namespace {

namespace fs = std::filesystem;

constexpr int kSide = 96;
constexpr std::size_t kPlane = kSide * kSide, kImage = 3 * kPlane;

/// Planes of columns, as MATLAB lays them out, to rows of pixels.
void to_rows(const std::uint8_t* planes, std::uint8_t* out) {
  for (std::size_t y = 0; y < kSide; ++y)
    for (std::size_t x = 0; x < kSide; ++x)
      for (std::size_t c = 0; c < 3; ++c) out[(y * kSide + x) * 3 + c] = planes[c * kPlane + x * kSide + y];
}

class Stl10 final : public cdc::Stage {
 public:
  std::string root;
  std::string split = "train+test";

  static constexpr cdc::Out<cdc::Dataset> kData{"data", "The images and their labels; no label at all where some of the images have none"};

  static void describe(cdc::Schema<Stl10>& s) {
    s.summary("STL-10, binary version: 13,000 colour images of 96 x 96 in 10 classes, and 100,000 without labels.");
    s.param(&Stl10::root, "root", "Folder of train_X.bin, train_y.bin, test_X.bin, test_y.bin and unlabeled_X.bin (stl10_binary)")
        .required()
        .no_effect_on_result();  // what lies there counts: files()
    s.param(&Stl10::split, "split", "Which samples; with unlabeled ones nothing can be scored by labels")
        .choices({"train", "test", "train+test", "unlabeled", "train+unlabeled", "train+test+unlabeled"});
    s.output(kData);
    s.size("N", [](const Stl10&) { return 0; });
    s.size("C", [](const Stl10&) { return 3; });
    s.size("H", [](const Stl10&) { return kSide; });
    s.size("W", [](const Stl10&) { return kSide; });
    s.uncached().unseeded();
  }

  std::vector<fs::path> files() const override {
    std::vector<fs::path> all;
    for (const std::string& part : cdc::dataset::split_parts(split)) {
      all.push_back(need(part + "_X.bin"));
      if (labelled()) all.push_back(need(part + "_y.bin"));
    }
    if (labelled() && fs::exists(names_file())) all.push_back(names_file());
    return all;
  }

  void run(cdc::StageContext& context) override {
    cdc::dataset::ArrayContents c;
    c.height = c.width = kSide;
    c.channels = 3;
    c.split = split;
    std::size_t images = 0;
    for (const std::string& part : cdc::dataset::split_parts(split)) {
      const fs::path file = need(part + "_X.bin");
      const std::size_t count = cdc::dataset::count_records(file, kImage);
      c.sources.push_back({file.string(), static_cast<std::int64_t>(count), part});
      images += count;
    }
    if (labelled()) {
      c.class_names = {"airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"};
      if (fs::exists(names_file())) c.class_names = cdc::dataset::read_class_names(names_file(), 10);
      for (const auto& source : c.sources) read_labels(source, c.labels);
    }
    c.pixels = cdc::dataset::allocate_pixels(images * kImage);
    std::uint8_t* out = c.pixels.get();
    for (const auto& source : c.sources) {
      read_images(source, out);
      out += static_cast<std::size_t>(source.count) * kImage;
    }
    context.out(kData, std::shared_ptr<const cdc::Dataset>(std::make_shared<cdc::dataset::ArrayDataset>(std::move(c))));
  }

 private:
  bool labelled() const { return split.find("unlabeled") == std::string::npos; }
  fs::path names_file() const { return fs::path(root) / "class_names.txt"; }

  fs::path need(const std::string& name) const { return cdc::dataset::need_file(fs::path(root) / name, "stl10_binary"); }

  /// Appends the classes, 1 to 10 in the file, from 0.
  void read_labels(const cdc::dataset::ArraySource& source, std::vector<std::int32_t>& labels) const {
    const fs::path file = need(source.part + "_y.bin");
    const std::size_t count = cdc::dataset::file_bytes(file);
    if (count != static_cast<std::size_t>(source.count))
      throw cdc::Error(fmt::format("{}: {} labels for the {} images of {}; fetch both again", file.string(), count, source.count, source.file));
    const std::vector<std::uint8_t> read = cdc::dataset::read_bytes(file, 0, count);
    for (std::size_t i = 0; i < count; ++i) {
      const int label = read[i];
      if (label < 1 || label > 10)
        throw cdc::Error(fmt::format("{}: label {} of image {} is out of range: classes are 1 to 10; the file is damaged or not of this data set",
                                     file.string(), label, i));
      labels.push_back(label - 1);
    }
  }

  /// The images to [count, 96, 96, 3] at `out`, some hundred a task: the unlabeled file has 2.8 GB.
  static void read_images(const cdc::dataset::ArraySource& source, std::uint8_t* out) {
    cdc::parallel_chunks(source.count, 256, [&](std::int64_t begin, std::int64_t end) {
      const std::vector<std::uint8_t> bytes =
          cdc::dataset::read_bytes(source.file, static_cast<std::size_t>(begin) * kImage, static_cast<std::size_t>(end - begin) * kImage);
      for (std::int64_t i = begin; i < end; ++i)
        to_rows(bytes.data() + static_cast<std::size_t>(i - begin) * kImage, out + static_cast<std::size_t>(i) * kImage);
    });
  }
};

}  // namespace

CDC_PLUGIN(Stl10, "dataset.stl10")
