#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cdc::dataset {

inline constexpr const char* kImageEndings = ".jpg, .jpeg, .jpe, .jfif, .png";

/// A folder's subfolders and images, sorted by name (bytes): the same order on every file system.
struct Listing {
  std::vector<std::string> folders;  ///< names
  std::vector<std::string> images;   ///< paths
};

/// Walks through folders of images, and remembers what it left out. Files that begin with a dot, and what systems leave behind (Thumbs.db,
/// desktop.ini, @eaDir, __MACOSX), are not seen at all. Endings decide what is an image (so that a list or a licence in the folder does no harm); the
/// contents decide how it is decoded. cdc::Error naming the folder that cannot be read.
class ImageTree {
 public:
  Listing list(const std::filesystem::path& folder);
  /// Appends all images below a folder: its own, then those of each subfolder, sorted. A link to a folder that one is in already is not followed: it
  /// would give every image again and again.
  void gather(const std::filesystem::path& folder, std::vector<std::string>& images);

  /// Takes up what another walk left out.
  void add(const ImageTree& other);
  /// How many files were left out by their ending, in lower case; "" of those that have none.
  const std::map<std::string, std::int64_t>& left_out() const { return left_out_; }
  /// "12 .webp and 3 .gif": images of other formats among them, by their ending; empty where there are none.
  std::string other_images() const;
  const std::vector<std::string>& links_upwards() const { return links_upwards_; }  ///< not followed
  /// Links that lead nowhere, without an ending: a folder was meant, perhaps.
  const std::vector<std::string>& links_nowhere() const { return links_nowhere_; }

 private:
  using Identity = std::pair<dev_t, ino_t>;
  void descend(const std::filesystem::path& folder, std::vector<std::string>& images);

  std::map<std::string, std::int64_t> left_out_;
  std::vector<std::string> links_upwards_, links_nowhere_;
  std::vector<Identity> above_;  ///< the folders that we are in
};

/// "train2017", "Validation", "test_images" -> "train", "val", "test"; empty for a name that is none of a split.
std::string split_kind(const std::string& name);

}  // namespace cdc::dataset
