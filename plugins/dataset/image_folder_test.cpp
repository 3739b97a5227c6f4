#include <cstdio>

#include <jpeglib.h>
#include <png.h>

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>
#include <tuple>

#include "dataset_test.hpp"
#include "support/files.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::open_dataset;
using cdc::test::StageHarness;
using cdc::test::TemporaryFolder;

using Pixel = std::function<int(int y, int x, int channel)>;

std::string jpeg(int height, int width, int channels, const Pixel& pixel, bool adobe_cmyk = false) {
  jpeg_compress_struct info;
  jpeg_error_mgr error;
  info.err = jpeg_std_error(&error);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 98, TRUE);
  if (channels == 4) info.write_Adobe_marker = adobe_cmyk ? TRUE : FALSE;
  jpeg_start_compress(&info, TRUE);
  std::vector<JSAMPLE> row(static_cast<std::size_t>(width * channels));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) row[static_cast<std::size_t>(x * channels + c)] = static_cast<JSAMPLE>(pixel(y, x, c));
    JSAMPROW line = row.data();
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<char*>(memory), size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return out;
}

/// PNG of any colour type; 16 bits a channel where deep.
std::string png(int height, int width, int type, const Pixel& pixel, bool deep = false) {
  const int channels = type == PNG_COLOR_TYPE_GRAY ? 1 : type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : type == PNG_COLOR_TYPE_RGB ? 3 : 4;
  std::string out;
  png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(p);
  png_set_write_fn(
      p, &out,
      [](png_structp s, png_bytep data, std::size_t n) { static_cast<std::string*>(png_get_io_ptr(s))->append(reinterpret_cast<char*>(data), n); },
      nullptr);
  png_set_IHDR(p, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), deep ? 16 : 8, type, PNG_INTERLACE_ADAM7,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(p, info);
  std::vector<std::vector<png_byte>> rows;
  std::vector<png_bytep> lines;
  for (int y = 0; y < height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        for (int byte = 0; byte < (deep ? 2 : 1); ++byte) rows.back().push_back(static_cast<png_byte>(pixel(y, x, c)));
  }
  for (auto& row : rows) lines.push_back(row.data());
  png_write_image(p, lines.data());
  png_write_end(p, info);
  png_destroy_write_struct(&p, &info);
  return out;
}

/// A palette PNG of one row: red, green.
std::string palette_png() {
  std::string out;
  png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(p);
  png_set_write_fn(
      p, &out,
      [](png_structp s, png_bytep data, std::size_t n) { static_cast<std::string*>(png_get_io_ptr(s))->append(reinterpret_cast<char*>(data), n); },
      nullptr);
  png_set_IHDR(p, info, 2, 1, 1, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  const png_color colours[2] = {{255, 0, 0}, {0, 128, 0}};
  png_set_PLTE(p, info, colours, 2);
  png_write_info(p, info);
  png_byte row[1] = {0x40};
  png_write_row(p, row);
  png_write_end(p, info);
  png_destroy_write_struct(&p, &info);
  return out;
}

int ramp(int y, int x, int c) { return c == 3 ? 50 : 6 * y + 2 * x + 40 * c; }

void expect_near(const cdc::Image& image, int height, int width, int channels, const Pixel& pixel, int tolerance) {
  ASSERT_EQ(image.height, height);
  ASSERT_EQ(image.width, width);
  ASSERT_EQ(image.channels, channels);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) ASSERT_NEAR(image.row(y)[x * channels + c], pixel(y, x, c), tolerance) << y << ' ' << x << ' ' << c;
}

class ImageFolder : public ::testing::Test {
 protected:
  std::shared_ptr<const cdc::Dataset> open(const cdc::Value::Table& more = {}) {
    cdc::Value::Table p = more;
    if (std::none_of(more.begin(), more.end(), [](const auto& entry) { return entry.first == "root"; }))
      p.emplace_back("root", folder.path().string());
    harness.outputs.clear();
    harness.warnings.clear();
    return open_dataset("dataset.image_folder", p, harness);
  }
  std::string message(const cdc::Value::Table& more = {}) {
    return error_of([&] { open(more); });
  }
  std::string path(const std::string& name) { return (folder.path() / name).string(); }
  std::string flat_png(int value) {
    return png(2, 2, PNG_COLOR_TYPE_GRAY, [value](int, int, int) { return value; });
  }
  TemporaryFolder folder;
  StageHarness harness;
};

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

TEST_F(ImageFolder, DecodesEveryKindOfJpeg) {
  folder.write("1rgb.jpg", jpeg(16, 24, 3, ramp));
  folder.write("2grey.jpg", jpeg(16, 24, 1, ramp));
  folder.write("3cmyk.jpg", jpeg(
                                16, 24, 4, [](int y, int x, int c) { return 255 - ramp(y, x, c); }, false));
  folder.write("4adobe.jpg", jpeg(16, 24, 4, ramp, true));
  const auto colour = open();
  expect_near(colour->image(0), 16, 24, 3, ramp, 12);  // chroma is halved by the encoder
  expect_near(
      colour->image(1), 16, 24, 3, [](int y, int x, int) { return ramp(y, x, 0); }, 3);
  const Pixel of_cmyk = [](int y, int x, int c) { return ramp(y, x, c) * 50 / 255; };
  expect_near(colour->image(3), 16, 24, 3, of_cmyk, 4);
  expect_near(
      colour->image(2), 16, 24, 3, [&](int y, int x, int c) { return of_cmyk(y, x, c); }, 4);
  const auto grey = open({{"channels", 1}});
  const auto luma = [](int y, int x, int) { return static_cast<int>(0.299 * ramp(y, x, 0) + 0.587 * ramp(y, x, 1) + 0.114 * ramp(y, x, 2)); };
  expect_near(grey->image(0), 16, 24, 1, luma, 4);
  expect_near(grey->image(1), 16, 24, 1, ramp, 3);
  expect_near(
      grey->image(3), 16, 24, 1, [&](int y, int x, int) { return luma(y, x, 0) * 50 / 255; }, 4);
}

TEST_F(ImageFolder, DecodesEveryKindOfPng) {
  folder.write("1.png", png(5, 7, PNG_COLOR_TYPE_RGB, ramp));
  folder.write("2.png", png(5, 7, PNG_COLOR_TYPE_GRAY, ramp));
  folder.write("3.png", png(5, 7, PNG_COLOR_TYPE_RGB_ALPHA, ramp));
  folder.write("4.png", png(5, 7, PNG_COLOR_TYPE_GRAY_ALPHA, ramp));
  folder.write("5.png", png(5, 7, PNG_COLOR_TYPE_RGB, ramp, true));
  folder.write("6.png", palette_png());
  const auto first = [](int y, int x, int) { return ramp(y, x, 0); };
  const auto luma = [](int y, int x, int) {
    return static_cast<int>(std::lround(0.299 * ramp(y, x, 0) + 0.587 * ramp(y, x, 1) + 0.114 * ramp(y, x, 2)));
  };
  const auto colour = open();
  expect_near(colour->image(0), 5, 7, 3, ramp, 0);
  expect_near(colour->image(1), 5, 7, 3, first, 0);
  expect_near(colour->image(2), 5, 7, 3, ramp, 0);
  expect_near(colour->image(3), 5, 7, 3, first, 0);
  expect_near(colour->image(4), 5, 7, 3, ramp, 0);
  expect_near(
      colour->image(5), 1, 2, 3, [](int, int x, int c) { return x == 0 ? (c == 0 ? 255 : 0) : (c == 1 ? 128 : 0); }, 0);
  const auto grey = open({{"channels", 1}});
  expect_near(grey->image(0), 5, 7, 1, luma, 1);
  expect_near(grey->image(1), 5, 7, 1, ramp, 0);
  expect_near(grey->image(3), 5, 7, 1, ramp, 0);
}

TEST_F(ImageFolder, ADamagedFileIsNamed) {
  const std::string whole = jpeg(64, 64, 3, ramp);
  const std::string p = png(40, 40, PNG_COLOR_TYPE_RGB, [](int y, int x, int c) { return y * x * 7 + c; });
  std::string flipped = p;
  flipped[p.size() / 2] ^= 0x10;
  const std::string hint = "; 1 of 2 images cannot be read: mend or remove it, or set on_damaged = \"skip\" to leave out what cannot be read";
  folder.write("z.jpg", whole);
  // What the beginning or the end tells: before any training.
  for (const auto& [name, bytes, said] :
       {std::tuple(std::string("a.jpg"), whole.substr(0, whole.size() * 2 / 3), std::string(": damaged JPEG (Premature end of JPEG file)")),
        std::tuple(std::string("b.jpg"), whole.substr(0, 20), std::string(": damaged JPEG (")),
        std::tuple(std::string("c.png"), p.substr(0, p.size() / 2), std::string(": damaged PNG (cut short)")),
        std::tuple(std::string("e.png"), std::string("GIF89a"), std::string(": neither JPEG nor PNG by its contents (it is a GIF)")),
        std::tuple(std::string("f.jpg"), std::string("\n<!DOCTYPE html><html>404"),
                   std::string(": neither JPEG nor PNG by its contents (it is a page or a text of markup: a download that failed?)")),
        std::tuple(std::string("g.png"), std::string(), std::string(": neither JPEG nor PNG by its contents (it is empty)"))}) {
    folder.write(name, bytes);
    const std::string text = message();
    EXPECT_EQ(text.find(path(name) + said), 0u) << text;
    EXPECT_NE(text.find(hint), std::string::npos) << text;
    std::filesystem::remove(folder.path() / name);
  }
  // What lies between: when it is decoded.
  folder.write("d.png", flipped);
  const auto data = open();
  const auto text = [&](std::int64_t i) { return error_of([&] { data->image(i); }); };
  EXPECT_EQ(text(0).find(path("d.png") + ": damaged PNG ("), 0u) << text(0);
  EXPECT_NE(text(0).find("; mend it, or set on_damaged = \"skip\" to leave out what cannot be read"), std::string::npos) << text(0);
  std::filesystem::remove(folder.path() / "d.png");
  EXPECT_EQ(text(0).find(path("d.png") + ": cannot be opened: No such file or directory"), 0u) << text(0);
}

TEST_F(ImageFolder, PipesFoldersAndSparseFilesAreNotWaitedFor) {
  folder.write("train/ape/1.png", flat_png(1));
  ASSERT_EQ(::mkfifo(path("train/ape/2.jpg").c_str(), 0600), 0);
  EXPECT_EQ(message().find(path("train/ape/2.jpg") + ": is no file but a pipe or device; 1 of 2 images cannot be read"), 0u) << message();
  std::filesystem::remove(path("train/ape/2.jpg"));
  folder.write("train/ape/3.jpg/4.png", flat_png(4));  // a folder, whatever it is called
  EXPECT_EQ(open()->size(), 2);
  folder.write("train/ape/5.jpg", jpeg(16, 24, 3, ramp));
  std::filesystem::resize_file(path("train/ape/5.jpg"), std::uintmax_t{1} << 40);  // a terabyte of holes
  EXPECT_EQ(message().find(path("train/ape/5.jpg") + ": 1099511627776 bytes are too many for an image; it is taken for damaged"), 0u) << message();
  const auto kept = open({{"on_damaged", "skip"}});
  EXPECT_EQ(kept->size(), 2);
}

TEST_F(ImageFolder, WhatIsLeftOutIsCountedByEnding) {
  for (const char* name : {"1.jpg", "2.JPEG", "3.jfif", "4.jpe", "5.png"}) folder.write(std::string("train/ape/") + name, flat_png(1));
  for (const char* name : {"a.webp", "b.WEBP", "c.gif", "notes.txt", "._1.jpg", ".DS_Store", "Thumbs.db", "@eaDir/1.jpg"})
    folder.write(std::string("train/ape/") + name, "x");
  EXPECT_EQ(open()->size(), 5);
  ASSERT_EQ(harness.warnings.size(), 1u);
  EXPECT_EQ(
      harness.warnings[0],
      "4 of 9 files are no image by their ending (1 .gif, 1 .txt, 2 .webp), and are left out; images of other formats are among them (1 .gif, 2 "
      ".webp): convert them to PNG or JPEG to have them");
  ASSERT_EQ(harness.summaries.size(), 1u);
  EXPECT_EQ(harness.summaries[0].first, "left_out");
  EXPECT_EQ(harness.summaries[0].second.to_json(), R"({".gif":1,".txt":1,".webp":2})");
  folder.write("train/bee/1.webp", "x");
  EXPECT_NE(message().find("; there are images of other formats (1 .webp): convert them to PNG or JPEG"), std::string::npos) << message();
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

TEST_F(ImageFolder, RefusesAnImageOfAbsurdSize) {
  std::string p = flat_png(1);
  p[18] = p[22] = static_cast<char>(0xff);  // 65282 x 65282
  // The header's checksum, so that the size is what is wrong.
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<std::uint8_t>(p[i]);
    for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  for (std::size_t k = 0; k < 4; ++k) p[29 + k] = static_cast<char>(~crc >> (24 - 8 * k) & 255);
  folder.write("a.png", p);
  std::string j = jpeg(16, 16, 3, ramp);
  const std::size_t frame = j.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  j[frame + 5] = j[frame + 7] = static_cast<char>(0xfe);  // 65040 x 65040
  folder.write("b.jpg", j);
  EXPECT_EQ(message().find(path("a.png") + ": 65282 x 65282 pixels are too many for an image of a data set; it is taken for damaged"), 0u)
      << message();
  std::filesystem::remove(folder.path() / "a.png");
  EXPECT_EQ(message().find(path("b.jpg") + ": 65040 x 65040 pixels are too many for an image of a data set; it is taken for damaged"), 0u)
      << message();
}

TEST_F(ImageFolder, NamesWhatCannotBeRead) {
  folder.write("a.png", flat_png(1));
  std::filesystem::create_symlink("gone", folder.path() / "b.png");
  EXPECT_EQ(message().find(path("b.png") + ": cannot be opened: No such file or directory; 1 of 2 images cannot be read"), 0u) << message();
  const auto data = open({{"on_damaged", "skip"}});
  EXPECT_EQ(data->size(), 1);
  std::filesystem::remove(folder.path() / "a.png");
  std::filesystem::create_directory(folder.path() / "a.png");
  EXPECT_EQ(error_of([&] { data->image(0); }), path("a.png") + ": is no file but a folder");
}

TEST_F(ImageFolder, SkipLeavesDamagedFilesOut) {
  folder.write("ape/1.png", flat_png(1));
  folder.write("ape/2.png", "broken");
  folder.write("bee/3.png", flat_png(3));
  const auto data = open({{"on_damaged", "skip"}});
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->labels(), (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(data->image(1).row(0)[0], 3);
  EXPECT_EQ(harness.warnings, (std::vector<std::string>{"left out: " + path("ape/2.png") + ": neither JPEG nor PNG by its contents",
                                                        "1 of 3 images are damaged and left out"}));
  folder.write("ape/1.png", "broken");
  folder.write("bee/3.png", "broken");
  EXPECT_EQ(message({{"on_damaged", "skip"}}),
            "every one of the 3 images is damaged; " + path("ape/1.png") + ": neither JPEG nor PNG by its contents");
}

TEST_F(ImageFolder, WhatIsSkippedIsMissingFromItsSplit) {
  folder.write("train/ape/1.png", "broken");
  folder.write("train/ape/2.png", flat_png(2));
  folder.write("val/ape/3.png", flat_png(3));
  folder.write("val/ape/4.png", flat_png(4));
  folder.write("val/ape/5.png", "broken");
  EXPECT_EQ(cdc::test::parts_of(*open({{"split", "train+val"}, {"on_damaged", "skip"}})), "train 1, val 2");
}

TEST_F(ImageFolder, SkipStopsWhenAsked) {
  folder.write("1.png", flat_png(1));
  harness.stop = true;
  EXPECT_THROW(open({{"on_damaged", "skip"}}), cdc::Stopped);
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
