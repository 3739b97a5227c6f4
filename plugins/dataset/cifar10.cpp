#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/stage.hpp"
#include "cifar.hpp"
#include "files.hpp"

namespace {

namespace fs = std::filesystem;

class Cifar10 final : public cdc::Stage {
 public:
  std::string root;
  std::string split = "train";
  bool allow_partial = false;

  static constexpr const char* kFolder = "cifar-10-batches-bin";
  static constexpr cdc::Out<cdc::Dataset> kData{"data", "The images and their labels"};

  static void describe(cdc::Schema<Cifar10>& s) {
    s.summary("CIFAR-10, binary version: 60,000 colour images of 32 x 32 in 10 classes.");
    s.param(&Cifar10::root, "root", "Folder of data_batch_1.bin to data_batch_5.bin and test_batch.bin (cifar-10-batches-bin)")
        .required()
        .no_effect_on_result();  // what lies there counts: files()
    s.param(&Cifar10::split, "split", "Which samples").choices({"train", "test", "train+test"});
    s.param(&Cifar10::allow_partial, "allow_partial", "Take the training batches that are there, though some are missing; the split then says so");
    s.output(kData);
    s.size("N", [](const Cifar10&) { return 0; });
    s.size("C", [](const Cifar10&) { return 3; });
    s.size("H", [](const Cifar10&) { return 32; });
    s.size("W", [](const Cifar10&) { return 32; });
    s.uncached().unseeded();
  }

  std::vector<fs::path> files() const override {
    std::vector<fs::path> all = batches().present;
    if (fs::exists(names_file())) all.push_back(names_file());
    return all;
  }

  void run(cdc::StageContext& context) override {
    const Batches found = batches();
    std::vector<std::string> names{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
    if (fs::exists(names_file())) names = cdc::dataset::read_class_names(names_file(), 10);
    cdc::dataset::ArrayContents c = cdc::dataset::read_cifar(found.present, {1, 0}, std::move(names));
    for (std::size_t f = 0; f < c.sources.size(); ++f) c.sources[f].part = found.present[f].filename() == "test_batch.bin" ? "test" : "train";
    c.split = split;
    if (found.missing > 0) {
      c.split.insert(5, fmt::format("({} of 5 batches)", 5 - found.missing));  // after "train": scores are not those of the whole split
      context.warn(fmt::format("{}: {} of the 5 training batches are missing; going on with the others", root, found.missing));
    }
    context.out(kData, std::shared_ptr<const cdc::Dataset>(std::make_shared<cdc::dataset::ArrayDataset>(std::move(c))));
  }

 private:
  struct Batches {
    std::vector<fs::path> present;
    int missing = 0;
  };

  fs::path names_file() const { return fs::path(root) / "batches.meta.txt"; }

  Batches batches() const {
    Batches found;
    for (const std::string& part : cdc::dataset::split_parts(split)) {
      if (part == "test") {
        found.present.push_back(cdc::dataset::need_file(fs::path(root) / "test_batch.bin", kFolder));
        continue;
      }
      for (int b = 1; b <= 5; ++b) {
        const fs::path path = fs::path(root) / fmt::format("data_batch_{}.bin", b);
        if (fs::exists(path)) {
          found.present.push_back(path);
        } else if (allow_partial && !(b == 5 && found.present.empty())) {
          ++found.missing;
        } else {
          cdc::dataset::need_file(path, kFolder, allow_partial ? "" : ", or set allow_partial = true to go on with the batches that are there");
        }
      }
    }
    return found;
  }
};

}  // namespace

CDC_PLUGIN(Cifar10, "dataset.cifar10")
