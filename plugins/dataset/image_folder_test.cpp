// Folders as data sets: classes, splits, links, lists.
#include "image_folder_test.hpp"

namespace {

using cdc::test::ImageFolderTest;
using cdc::test::error_of;
using cdc::test::jpeg;
using cdc::test::open_dataset;
using cdc::test::png;
using cdc::test::ramp;

class ImageFolder : public ImageFolderTest {};

TEST_F(ImageFolder, AFolderAClassSortedByName) {
  folder.write("train/zebra/2.png", flat_png(2));
  folder.write("train/zebra/10.png", flat_png(10));
  folder.write("train/ape/deep/er.png", flat_png(30));
  folder.write("train/ape/z.png", flat_png(20));
  folder.write("train/ape/readme.txt", "no image");
  folder.write("train/.hidden/x.png", "no image");
  const auto data = open();
  EXPECT_EQ(data->class_names(), (std::vector<std::string>{"ape", "zebra"}));
  EXPECT_EQ(data->labels(), (std::vector<std::int32_t>{0, 0, 1, 1}));
  EXPECT_EQ(data->sample_name(0), path("train/ape/z.png"));
  EXPECT_EQ(data->sample_name(2), path("train/zebra/10.png"));
  EXPECT_EQ(data->image(1).row(0)[0], 30);
  EXPECT_EQ(data->image_size(), (std::array<int, 2>{0, 0}));
  EXPECT_EQ(data->channels(), 3);
  EXPECT_EQ(data->split(), "train");
}

TEST_F(ImageFolder, ImagesAloneHaveNoLabels) {
  folder.write("b.png", flat_png(2));
  folder.write("a.JPG", flat_png(1));  // the contents say PNG
  const auto data = open({{"split", "all"}});
  EXPECT_EQ(data->size(), 2);
  EXPECT_TRUE(data->labels().empty());
  EXPECT_TRUE(data->class_names().empty());
  EXPECT_EQ(data->image(0).row(0)[0], 1);
  EXPECT_EQ(data->split(), "all");
  EXPECT_EQ(cdc::test::parts_of(*data), "all 2");
}

TEST_F(ImageFolder, SplitsAreSubfolders) {
  folder.write("train/ape/1.png", flat_png(1));
  folder.write("val/ape/2.png", flat_png(2));
  folder.write("val/bee/3.png", flat_png(3));
  EXPECT_EQ(open({{"split", "val"}})->image(0).row(0)[0], 2);
  const auto both = open({{"split", "train+val"}});
  EXPECT_EQ(both->labels(), (std::vector<std::int32_t>{0, 0, 1}));
  EXPECT_EQ(both->split(), "train+val");
  EXPECT_EQ(cdc::test::parts_of(*both), "train 1, val 2");
  EXPECT_EQ(message({{"split", "train+test"}}), path("test") + ": no such folder; split = \"train+test\" needs it; there are 'train' and 'val'");
  EXPECT_EQ(message({{"split", "train+"}}), "plugin 'dataset.image_folder': split = \"train+\": names of splits joined by + are expected");
}

TEST_F(ImageFolder, TakesTheClassesOfAList) {
  for (const char* name : {"n01", "n02", "n03"}) folder.write(std::string("train/") + name + "/1.png", flat_png(1));
  const auto list = folder.write("list.txt", "# a subset\nn03 hen of the woods\n\n  n01\r\n");
  EXPECT_EQ(open({{"classes", list.string()}})->class_names(), (std::vector<std::string>{"n03", "n01"}));
  const auto stage =
      cdc::test::make<cdc::Stage>("dataset.image_folder", cdc::Value::Table{{"root", folder.path().string()}, {"classes", list.string()}});
  EXPECT_EQ(stage->files(), (std::vector<std::filesystem::path>{folder.path() / "train/n03", folder.path() / "train/n01", list}));
  folder.write("list.txt", "n01\nn04\n");
  EXPECT_EQ(message({{"classes", list.string()}}), path("train/n04") + ": no such class folder; " + list.string() + " names it; did you mean 'n01'?");
  EXPECT_EQ(error_of([&] { stage->files(); }), path("train/n04") + ": no such class folder; " + list.string() + " names it; did you mean 'n01'?");
  folder.write("list.txt", "n01\nn02\nn01\n");
  EXPECT_EQ(message({{"classes", list.string()}}), list.string() + ":3: class folder n01 a second time");
  folder.write("list.txt", "# nothing\n");
  EXPECT_EQ(message({{"classes", list.string()}}), list.string() + ": names no class folder");
  for (const std::string& no_list : {path("gone.txt"), path("train")})
    EXPECT_EQ(message({{"classes", no_list}}), no_list + ": cannot be opened; set classes to a text file of class folders");
}

TEST_F(ImageFolder, TheListsOfImageNetsSubsetsAreTaken) {
  // A folder for every class of any list.
  const std::vector<std::pair<std::string, std::size_t>> lists{{"10", 10}, {"dogs", 15}, {"50", 50}, {"100", 100}, {"200", 200}};
  const auto list = [](const std::string& name) { return cdc::test::source_folder() / "data" / ("imagenet_" + name + ".txt"); };
  for (const auto& [name, size] : lists) {
    std::istringstream lines(cdc::test::read_file(list(name)));
    for (std::string line; std::getline(lines, line);)
      if (line[0] == 'n') folder.write("train/" + line.substr(0, 9) + "/1.png", flat_png(1));
  }
  std::map<std::string, std::vector<std::string>> taken;
  for (const auto& [name, size] : lists) {
    const auto data = open({{"classes", list(name).string()}});
    EXPECT_EQ(data->class_names().size(), size) << name;
    EXPECT_EQ(data->size(), static_cast<std::int64_t>(size)) << name;
    taken[name] = data->class_names();
    EXPECT_TRUE(std::is_sorted(taken[name].begin(), taken[name].end())) << name;
  }
  // SCAN's lie within each other.
  for (const auto& [smaller, larger] : {std::pair("50", "100"), std::pair("100", "200")})
    EXPECT_TRUE(std::includes(taken[larger].begin(), taken[larger].end(), taken[smaller].begin(), taken[smaller].end())) << smaller;
}

TEST_F(ImageFolder, NamesWhatIsWrongWithTheFolder) {
  EXPECT_EQ(error_of([&] {
              open_dataset("dataset.image_folder", {{"root", path("gone")}});
            }),
            path("gone") + ": no such folder; set root to the folder of the images");
  EXPECT_EQ(message(), folder.path().string() + ": no image (.jpg, .jpeg, .jpe, .jfif, .png) and no folder in it");
  folder.write("train/ape/1.png", flat_png(1));
  std::filesystem::create_directories(folder.path() / "train/bee");
  EXPECT_EQ(
      message(),
      path("train/bee") +
          ": no image (.jpg, .jpeg, .jpe, .jfif, .png) below this class folder; remove it, or name the classes to take in a file (classes = ...)");
  folder.write("train/bee/1.png", flat_png(1));
  folder.write("train/stray.png", flat_png(1));
  EXPECT_EQ(message(), path("train/stray.png") +
                           ": lies beside class folders; an image belongs into the folder of its class, or all of them directly into one "
                           "folder, without labels");
  EXPECT_EQ(message({{"channels", 2}}), "plugin 'dataset.image_folder': channels must be 1 (grey) or 3 (colour)");
}

TEST_F(ImageFolder, ALinkUpwardsIsNotFollowedAndOneSidewaysIsTold) {
  folder.write("train/ape/1.png", flat_png(1));
  folder.write("train/bee/2.png", flat_png(2));
  std::filesystem::create_directory_symlink(folder.path(), path("train/ape/up"));
  std::filesystem::create_directory_symlink(path("train/ape"), path("train/ape/self"));
  EXPECT_EQ(open()->size(), 2);
  ASSERT_EQ(harness.warnings.size(), 2u);
  EXPECT_EQ(harness.warnings[0], path("train/ape/self") + ": a link to a folder that it lies in is not followed");
  std::filesystem::remove(path("train/ape/up"));
  std::filesystem::remove(path("train/ape/self"));
  std::filesystem::create_symlink(path("train/ape/1.png"), path("train/bee/3.png"));
  EXPECT_EQ(open()->size(), 3);
  ASSERT_EQ(harness.warnings.size(), 1u);
  EXPECT_EQ(harness.warnings[0],
            "1 of 3 images are others once more, by links (" + path("train/ape/1.png") + " and " + path("train/bee/3.png") + "): each counts");
}

TEST_F(ImageFolder, AMissingSplitMakesNoClassesOfTheOthers) {
  for (const char* name : {"train/ape/1.png", "validation/ape/1.png"}) folder.write(name, flat_png(1));
  const std::string refused = ", and its folders look like those of splits, not of classes";
  for (const auto& [split, hint] : {std::pair("test", "; there are 'train' and 'validation'"), std::pair("val", "; did you mean 'validation'?"),
                                    std::pair("Train", "; did you mean 'train'?")}) {
    const std::string text = message({{"split", split}});
    EXPECT_EQ(text, folder.path().string() + ": it has no folder '" + split + "' for split = \"" + split + "\"" + refused + hint +
                        "; set split to one of them, or, if they are classes, name them in a file (classes = ...)");
  }
  EXPECT_EQ(open({{"root", path("train")}})->size(), 1) << "no folder of a split's name there: classes";
}

TEST_F(ImageFolder, AClassMayBeCalledAsASplitIs) {
  for (const char* name : {"bus/1.png", "car/1.png", "train/1.png"}) folder.write(name, flat_png(1));
  EXPECT_EQ(open({{"split", "all"}})->class_names(), (std::vector<std::string>{"bus", "car", "train"}));
  open();
  ASSERT_EQ(harness.warnings.size(), 1u);
  EXPECT_EQ(harness.warnings[0], path("train") +
                                     " is taken as a split without labels, and the folders beside it ('bus' and 'car') are left out: if they all are "
                                     "classes, set split to a name that no folder has, such as \"all\"");
}

TEST_F(ImageFolder, ARootOfTheWrongLevelIsNamed) {
  folder.write("set/train/ape/1.png", flat_png(1));
  folder.write("set/val/ape/1.png", flat_png(1));
  EXPECT_EQ(message(),
            folder.path().string() + ": the folders of splits ('train' and 'val') lie one level deeper; set root = \"" + path("set") + "\"");
  folder.write("pets/train/pets/ape/1.png", flat_png(1));
  folder.write("pets/train/pets/bee/1.png", flat_png(1));
  EXPECT_NE(message({{"root", path("pets")}})
                .find("its only folder 'pets' has no image in it but folders ('ape' and 'bee'); if those are the classes, "
                      "set root = \"" +
                      path("pets/train/pets") + "\""),
            std::string::npos);
  folder.write("mv/nut/train/1.png", flat_png(1));
  folder.write("mv/nut/test/1.png", flat_png(1));
  folder.write("mv/bolt/train/1.png", flat_png(1));
  EXPECT_NE(message({{"root", path("mv")}}).find(path("mv/bolt") + ": the class folder holds folders of splits ('train')"), std::string::npos);
  open({{"root", path("set/val")}});
  ASSERT_EQ(harness.warnings.size(), 1u);
  EXPECT_EQ(harness.warnings[0],
            "the images are those of the folder 'val', and every score will say that they are of split 'train': set split = \"val\"");
}

TEST_F(ImageFolder, AListNamesClassesWithSpacesAndNumberSigns) {
  for (const char* name : {"train/hot dog/1.png", "train/#1/1.png", "train/n01/1.png"}) folder.write(name, flat_png(1));
  const auto list = folder.write("list.txt", "\xef\xbb\xbfhot dog\r\n# a comment\n#1\nn01 hen of the woods\n");
  EXPECT_EQ(open({{"classes", list.string()}})->class_names(), (std::vector<std::string>{"hot dog", "#1", "n01"}));
}

TEST_F(ImageFolder, ClassesThatSplitsDoNotShareAreTold) {
  for (const char* name : {"train/Ape/1.png", "train/bee/1.png", "val/ape/1.png", "val/bee/1.png"}) folder.write(name, flat_png(1));
  EXPECT_EQ(open({{"split", "train+val"}})->labels(), (std::vector<std::int32_t>{0, 2, 1, 2}));
  EXPECT_EQ(harness.warnings, (std::vector<std::string>{path("train") + ": it has no folder of the class 'ape', which the other splits have",
                                                        path("val") + ": it has no folder of the class 'Ape', which the other splits have",
                                                        "the class folders 'Ape' and 'ape' differ in case alone: they are two classes"}));
}

TEST_F(ImageFolder, TheFingerprintIsOfNamesAndSizesWhereverTheyLie) {
  for (const char* name : {"train/ape/1.png", "train/bee/2.png", "copy/ape/1.png", "copy/bee/2.png", "other/ape/1.png"})
    folder.write(name, flat_png(1));
  folder.write("other/bee/2.png", jpeg(16, 24, 3, ramp));
  const std::string first = open()->fingerprint();
  EXPECT_EQ(first.find("2 images, ape/1.png to bee/2.png ("), 0u) << first;
  for (const char* root : {"train", "train/", "copy"})
    EXPECT_EQ(open_dataset("dataset.image_folder", {{"root", path(root)}}, harness)->fingerprint(), first);
  EXPECT_NE(open_dataset("dataset.image_folder", {{"root", path("other")}}, harness)->fingerprint(), first);
}

TEST_F(ImageFolder, ReadsTheRealSample) {
  const std::filesystem::path root = cdc::test::source_folder() / "../shared/data/imagenet-sample";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not there";
  const auto data = open_dataset("dataset.image_folder", {{"root", root.string()}, {"on_damaged", "skip"}}, harness);
  EXPECT_TRUE(harness.warnings.empty());
  EXPECT_EQ(data->class_names().size(), 119u);
  EXPECT_EQ(data->size(), 119);
}

}  // namespace
