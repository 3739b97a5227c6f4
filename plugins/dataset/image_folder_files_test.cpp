// Files in them: formats, damage, what is left out.
#include "image_folder_test.hpp"

namespace {

using cdc::test::ImageFolderTest;
using cdc::test::Pixel;
using cdc::test::error_of;
using cdc::test::expect_near;
using cdc::test::jpeg;
using cdc::test::palette_png;
using cdc::test::png;
using cdc::test::ramp;

class ImageFolderFiles : public ImageFolderTest {};

TEST_F(ImageFolderFiles, DecodesEveryKindOfJpeg) {
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

TEST_F(ImageFolderFiles, DecodesEveryKindOfPng) {
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

TEST_F(ImageFolderFiles, ADamagedFileIsNamed) {
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

TEST_F(ImageFolderFiles, PipesFoldersAndSparseFilesAreNotWaitedFor) {
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

TEST_F(ImageFolderFiles, WhatIsLeftOutIsCountedByEnding) {
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

TEST_F(ImageFolderFiles, RefusesAnImageOfAbsurdSize) {
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

TEST_F(ImageFolderFiles, NamesWhatCannotBeRead) {
  folder.write("a.png", flat_png(1));
  std::filesystem::create_symlink("gone", folder.path() / "b.png");
  EXPECT_EQ(message().find(path("b.png") + ": cannot be opened: No such file or directory; 1 of 2 images cannot be read"), 0u) << message();
  const auto data = open({{"on_damaged", "skip"}});
  EXPECT_EQ(data->size(), 1);
  std::filesystem::remove(folder.path() / "a.png");
  std::filesystem::create_directory(folder.path() / "a.png");
  EXPECT_EQ(error_of([&] { data->image(0); }), path("a.png") + ": is no file but a folder");
}

TEST_F(ImageFolderFiles, SkipLeavesDamagedFilesOut) {
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

TEST_F(ImageFolderFiles, WhatIsSkippedIsMissingFromItsSplit) {
  folder.write("train/ape/1.png", "broken");
  folder.write("train/ape/2.png", flat_png(2));
  folder.write("val/ape/3.png", flat_png(3));
  folder.write("val/ape/4.png", flat_png(4));
  folder.write("val/ape/5.png", "broken");
  EXPECT_EQ(cdc::test::parts_of(*open({{"split", "train+val"}, {"on_damaged", "skip"}})), "train 1, val 2");
}

TEST_F(ImageFolderFiles, SkipStopsWhenAsked) {
  folder.write("1.png", flat_png(1));
  harness.stop = true;
  EXPECT_THROW(open({{"on_damaged", "skip"}}), cdc::Stopped);
}

}  // namespace
