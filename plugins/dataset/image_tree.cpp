#include "image_tree.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <string_view>

#include "cdc/error.hpp"

namespace cdc::dataset {

namespace fs = std::filesystem;

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

template <std::size_t N>
bool is_one_of(const std::string& text, const std::array<std::string_view, N>& all) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

constexpr std::array<std::string_view, 5> kRead{".jpg", ".jpeg", ".jpe", ".jfif", ".png"};
constexpr std::array<std::string_view, 22> kOtherImages{".webp", ".gif",  ".bmp",  ".tif",  ".tiff", ".jp2", ".j2k", ".jxl", ".ppm", ".pgm", ".pbm",
                                                        ".pnm",  ".avif", ".heic", ".heif", ".tga",  ".dng", ".nef", ".cr2", ".arw", ".ico", ".svg"};

bool unseen(const std::string& name) {
  return name.front() == '.' || name == "Thumbs.db" || name == "desktop.ini" || name == "@eaDir" || name == "__MACOSX";
}

/// Device and inode; {0, 0} where there is nothing.
std::pair<dev_t, ino_t> identity(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

}  // namespace

Listing ImageTree::list(const fs::path& folder) {
  Listing found;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    const fs::path& path = it->path();
    const std::string name = path.filename().string(), ending = lower(path.extension().string());
    std::error_code unreadable;
    if (unseen(name)) continue;
    if (it->is_directory(unreadable)) {
      found.folders.push_back(name);
    } else if (is_one_of(ending, kRead)) {
      found.images.push_back(path.string());
    } else if (ending.empty() && it->is_symlink(unreadable) && !it->exists(unreadable)) {
      links_nowhere_.push_back(path.string());
    } else {
      ++left_out_[ending];
    }
  }
  if (code) throw Error(fmt::format("{}: cannot be read: {}", folder.string(), code.message()));
  std::sort(found.folders.begin(), found.folders.end());
  std::sort(found.images.begin(), found.images.end());
  return found;
}

void ImageTree::gather(const fs::path& folder, std::vector<std::string>& images) {
  above_.clear();
  std::error_code code;
  for (fs::path up : {fs::absolute(folder, code), fs::canonical(folder, code)})  // as it is called, and where it is
    while (!up.empty() && up != up.parent_path()) above_.push_back(identity(up = up.parent_path()));
  descend(folder, images);
}

void ImageTree::descend(const fs::path& folder, std::vector<std::string>& images) {
  const Identity self = identity(folder);
  if (std::find(above_.begin(), above_.end(), self) != above_.end()) {
    links_upwards_.push_back(folder.string());
    return;
  }
  above_.push_back(self);
  Listing found = list(folder);
  std::move(found.images.begin(), found.images.end(), std::back_inserter(images));
  for (const std::string& name : found.folders) descend(folder / name, images);
  above_.pop_back();
}

void ImageTree::add(const ImageTree& other) {
  for (const auto& [ending, count] : other.left_out_) left_out_[ending] += count;
  links_upwards_.insert(links_upwards_.end(), other.links_upwards_.begin(), other.links_upwards_.end());
  links_nowhere_.insert(links_nowhere_.end(), other.links_nowhere_.begin(), other.links_nowhere_.end());
}

std::string ImageTree::other_images() const {
  std::vector<std::string> all;
  for (const auto& [ending, count] : left_out_)
    if (is_one_of(ending, kOtherImages)) all.push_back(fmt::format("{} {}", count, ending));
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string split_kind(const std::string& name) {
  std::string stem = lower(name);
  while (!stem.empty() && std::isalpha(static_cast<unsigned char>(stem.back())) == 0) stem.pop_back();  // train2017
  for (const std::string_view more : {"images", "split", "data", "set", "img"})
    if (stem.size() > more.size() + 2 && stem.compare(stem.size() - more.size(), more.size(), more) == 0) {
      stem.resize(stem.size() - more.size());
      break;
    }
  while (!stem.empty() && (stem.back() == '_' || stem.back() == '-' || stem.back() == ' ')) stem.pop_back();
  if (stem == "train" || stem == "training") return "train";
  if (stem == "val" || stem == "valid" || stem == "validation" || stem == "dev") return "val";
  if (stem == "test" || stem == "testing" || stem == "eval") return "test";
  return stem == "unlabeled" || stem == "unlabelled" ? "unlabeled" : "";
}

}  // namespace cdc::dataset
