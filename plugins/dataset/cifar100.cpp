#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/stage.hpp"
#include "cifar.hpp"
#include "files.hpp"

namespace {

namespace fs = std::filesystem;

class Cifar100 final : public cdc::Stage {
 public:
  std::string root;
  std::string split = "train";
  std::string label = "coarse";

  static constexpr const char* kFolder = "cifar-100-binary";
  static constexpr cdc::Out<cdc::Dataset> kData{"data", "The images and their labels"};

  static void describe(cdc::Schema<Cifar100>& s) {
    s.summary("CIFAR-100, binary version: 60,000 colour images of 32 x 32 in 100 classes, or 20 (\"CIFAR-100-20\").");
    s.param(&Cifar100::root, "root", "Folder of train.bin, test.bin and the two files of class names (cifar-100-binary)")
        .required()
        .no_effect_on_result();  // what lies there counts: files()
    s.param(&Cifar100::split, "split", "Which samples").choices({"train", "test", "train+test"});
    s.param(&Cifar100::label, "label", "Which classes: the 20 coarse ones, as clustering papers take them, or the 100 fine ones")
        .choices({"coarse", "fine"});
    s.output(kData);
    s.size("N", [](const Cifar100&) { return 0; });
    s.size("C", [](const Cifar100&) { return 3; });
    s.size("H", [](const Cifar100&) { return 32; });
    s.size("W", [](const Cifar100&) { return 32; });
    s.uncached().unseeded();
  }

  std::vector<fs::path> files() const override {
    std::vector<fs::path> all = images();
    all.push_back(cdc::dataset::need_file(names_file(), kFolder));
    return all;
  }

  void run(cdc::StageContext& context) override {
    const bool fine = label == "fine";
    std::vector<std::string> names = cdc::dataset::read_class_names(cdc::dataset::need_file(names_file(), kFolder), fine ? 100 : 20);
    cdc::dataset::ArrayContents c = cdc::dataset::read_cifar(images(), {2, fine ? 1 : 0}, std::move(names));
    const std::vector<std::string> parts = cdc::dataset::split_parts(split);
    for (std::size_t f = 0; f < parts.size(); ++f) c.sources[f].part = parts[f];
    c.split = split;
    context.out(kData, std::shared_ptr<const cdc::Dataset>(std::make_shared<cdc::dataset::ArrayDataset>(std::move(c))));
  }

 private:
  std::vector<fs::path> images() const {
    std::vector<fs::path> all;
    for (const std::string& part : cdc::dataset::split_parts(split))
      all.push_back(cdc::dataset::need_file(fs::path(root) / (part + ".bin"), kFolder));
    return all;
  }
  fs::path names_file() const { return fs::path(root) / (label + "_label_names.txt"); }
};

}  // namespace

CDC_PLUGIN(Cifar100, "dataset.cifar100")
