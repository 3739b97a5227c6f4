#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>

#include "array_dataset.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"
#include "decode.hpp"

namespace {

using cdc::Error;
namespace fs = std::filesystem;

class FolderDataset final : public cdc::Dataset {
 public:
  std::vector<std::string> paths;
  std::vector<std::int32_t> classes;  ///< empty: no labels
  std::vector<std::string> names;
  std::string split_name;
  std::vector<cdc::SplitPart> split_parts;
  int channel_count = 3;

  std::int64_t size() const override { return static_cast<std::int64_t>(paths.size()); }
  int channels() const override { return channel_count; }
  std::array<int, 2> image_size() const override { return {0, 0}; }
  cdc::Image image(std::int64_t i) const override { return cdc::dataset::decode_file(paths[static_cast<std::size_t>(i)], channel_count); }
  const std::vector<std::int32_t>& labels() const override { return classes; }
  const std::vector<std::string>& class_names() const override { return names; }
  std::string split() const override { return split_name; }
  std::vector<cdc::SplitPart> parts() const override { return split_parts; }
  std::string sample_name(std::int64_t i) const override { return paths[static_cast<std::size_t>(i)]; }
};

bool hidden(const fs::path& path) { return path.filename().string().front() == '.'; }

/// Endings decide what is taken for an image (so that a list or a licence in the folder does no harm); the contents decide how it is decoded.
bool has_image_ending(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

struct Listing {
  std::vector<std::string> folders;  ///< names
  std::vector<std::string> images;   ///< paths
};

/// A folder's subfolders and images, sorted by name (bytes): the same order on every file system.
Listing list(const fs::path& folder) {
  Listing found;
  std::error_code code;
  fs::directory_iterator it(folder, code);
  if (code) throw Error(fmt::format("{}: cannot be read: {}", folder.string(), code.message()));
  for (const fs::directory_entry& entry : it) {
    if (hidden(entry.path())) continue;
    std::error_code unreadable;  // a link that leads nowhere: named when it is decoded
    if (entry.is_directory(unreadable)) {
      found.folders.push_back(entry.path().filename().string());
    } else if (has_image_ending(entry.path())) {
      found.images.push_back(entry.path().string());
    }
  }
  std::sort(found.folders.begin(), found.folders.end());
  std::sort(found.images.begin(), found.images.end());
  return found;
}

/// All images below a class's folder, sorted by path.
void gather(const fs::path& folder, std::vector<std::string>& images) {
  Listing found = list(folder);
  std::move(found.images.begin(), found.images.end(), std::back_inserter(images));
  for (const std::string& name : found.folders) gather(folder / name, images);
}

class ImageFolder final : public cdc::Stage {
 public:
  std::string root;
  std::string split = "train";
  std::string classes;
  std::string on_damaged = "stop";
  std::int64_t channels = 3;

  static constexpr cdc::Out<cdc::Dataset> kData{"data", "The images, and their labels where there are class folders"};

  static void describe(cdc::Schema<ImageFolder>& s) {
    s.summary("JPEG and PNG images in a folder: one subfolder a class, or images alone, without labels.");
    s.param(&ImageFolder::root, "root", "The folder").required();
    s.param(&ImageFolder::split, "split",
            "Name of the split; where root has a subfolder of that name, the images are taken from it. \"train+val\" takes both");
    s.param(&ImageFolder::classes, "classes", "Text file naming the class folders to take, one a line, in order of their labels; empty: all, sorted");
    s.param(&ImageFolder::on_damaged, "on_damaged",
            "stop: a damaged file ends the run when it is met; skip: every file is decoded once on opening and the damaged ones are left out, with a "
            "warning")
        .choices({"stop", "skip"});
    s.param(&ImageFolder::channels, "channels", "3: colour, 1: grey; images of the other kind are converted").range(1, 3);
    s.output(kData);
    s.size("N", [](const ImageFolder&) { return 0; });
    s.size("C", &ImageFolder::channels);
    s.size("H", [](const ImageFolder&) { return 0; });
    s.size("W", [](const ImageFolder&) { return 0; });
    s.uncached().unseeded();
  }

  void check() const override {
    if (channels == 2) throw Error("channels must be 1 (grey) or 3 (colour)");
    for (const std::string& part : cdc::dataset::split_parts(split)) {
      if (part.empty() || part.find('/') != std::string::npos)
        throw Error(fmt::format("split = \"{}\": names of splits joined by + are expected", split));
    }
  }

  std::vector<fs::path> files() const override {
    const std::vector<fs::path> parts = folders();
    if (classes.empty()) return parts;
    std::vector<fs::path> all;  // what the list names: the other classes may change
    for (const fs::path& part : parts)
      for (const std::string& name : wanted_classes()) all.push_back(class_folder(part, name));
    all.emplace_back(classes);
    return all;
  }

  void run(cdc::StageContext& context) override {
    auto data = std::make_shared<FolderDataset>();
    data->split_name = split;
    data->channel_count = static_cast<int>(channels);
    const std::vector<fs::path> parts = folders();
    std::vector<Listing> listings;
    for (const fs::path& part : parts) listings.push_back(list(part));
    if (classes.empty() && std::all_of(listings.begin(), listings.end(), [](const Listing& l) { return l.folders.empty(); })) {
      for (std::size_t p = 0; p < parts.size(); ++p) {
        std::move(listings[p].images.begin(), listings[p].images.end(), std::back_inserter(data->paths));
        end_part(*data, p, parts.size());
      }
      if (data->paths.empty()) throw Error(fmt::format("{}: no image (.jpg, .jpeg, .png) and no folder in it", parts.front().string()));
    } else {
      labelled(*data, parts, listings);
    }
    if (on_damaged == "skip") skip_damaged(*data, context);
    context.out(kData, std::shared_ptr<const cdc::Dataset>(std::move(data)));
  }

 private:
  std::vector<fs::path> folders() const {
    if (!fs::is_directory(root)) throw Error(fmt::format("{}: no such folder; set root to the folder of the images", root));
    const std::vector<std::string> parts = cdc::dataset::split_parts(split);
    if (parts.size() == 1 && !fs::is_directory(fs::path(root) / split)) return {fs::path(root)};
    std::vector<fs::path> all;
    for (const std::string& part : parts) {
      all.push_back(fs::path(root) / part);
      if (!fs::is_directory(all.back())) throw Error(fmt::format("{}: no such folder; split = \"{}\" needs it", all.back().string(), split));
    }
    return all;
  }

  void labelled(FolderDataset& data, const std::vector<fs::path>& parts, const std::vector<Listing>& listings) const {
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if (!listings[p].images.empty()) {
        throw Error(
            fmt::format("{}: lies beside class folders; an image belongs into the folder of its class, or all of them directly into one folder, "
                        "without labels",
                        listings[p].images.front()));
      }
    }
    if (classes.empty()) {
      std::set<std::string> all;
      for (const Listing& l : listings) all.insert(l.folders.begin(), l.folders.end());
      data.names.assign(all.begin(), all.end());
    } else {
      data.names = wanted_classes();
    }
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const std::set<std::string> present(listings[p].folders.begin(), listings[p].folders.end());
      for (std::size_t k = 0; k < data.names.size(); ++k) {
        if (classes.empty() && present.count(data.names[k]) == 0) continue;  // a class that only another split has
        const std::size_t before = data.paths.size();
        gather(class_folder(parts[p], data.names[k]), data.paths);
        data.classes.resize(data.paths.size(), static_cast<std::int32_t>(k));
        if (data.paths.size() == before) {
          throw Error(fmt::format(
              "{}: no image (.jpg, .jpeg, .png) below this class folder; remove it, or name the classes to take in a file (classes = ...)",
              (parts[p] / data.names[k]).string()));
        }
      }
      end_part(data, p, parts.size());
    }
  }

  fs::path class_folder(const fs::path& part, const std::string& name) const {
    fs::path folder = part / name;
    if (!fs::is_directory(folder)) throw Error(fmt::format("{}: no such class folder; {} names it", folder.string(), classes));
    return folder;
  }

  /// All images of part p of the split are gathered.
  void end_part(FolderDataset& data, std::size_t p, std::size_t count) const {
    std::int64_t before = 0;
    for (const cdc::SplitPart& part : data.split_parts) before += part.samples;
    data.split_parts.push_back({count == 1 ? split : cdc::dataset::split_parts(split)[p], data.size() - before});
  }

  std::vector<std::string> wanted_classes() const {
    std::ifstream in(classes);
    if (!in || !fs::is_regular_file(classes)) throw Error(fmt::format("{}: cannot be opened; set classes to a text file of class folders", classes));
    std::vector<std::string> wanted;
    std::set<std::string> seen;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      const std::size_t begin = line.find_first_not_of(" \t\r");
      if (begin == std::string::npos || line[begin] == '#') continue;
      const std::string name = line.substr(begin, line.find_first_of(" \t\r", begin) - begin);  // what follows is a name for people
      if (!seen.insert(name).second) throw Error(fmt::format("{}:{}: class folder {} a second time", classes, number, name));
      wanted.push_back(name);
    }
    if (wanted.empty()) throw Error(fmt::format("{}: names no class folder", classes));
    return wanted;
  }

  static void skip_damaged(FolderDataset& data, cdc::StageContext& context) {
    std::vector<std::string> damage(data.paths.size());
    std::vector<std::int64_t> lost(data.split_parts.size(), 0);
    std::mutex told;  // one thread at a time speaks to the context
    std::int64_t done = 0;
    cdc::parallel_chunks(data.size(), 64, [&](std::int64_t begin, std::int64_t end) {
      {
        const std::lock_guard lock(told);
        if (context.stopping()) throw cdc::Stopped("stopped while the images were checked");
      }
      for (std::int64_t i = begin; i < end; ++i) {
        try {
          data.image(i);
        } catch (const Error& error) {
          damage[static_cast<std::size_t>(i)] = error.what();
        }
      }
      const std::lock_guard lock(told);
      done += end - begin;
      context.progress({done, data.size(), "image", "checking"});
    });
    std::size_t kept = 0, part = 0;
    std::int64_t end = data.split_parts.front().samples;  // of the part, among all images
    for (std::size_t i = 0; i < data.paths.size(); ++i) {
      while (static_cast<std::int64_t>(i) >= end) end += data.split_parts[++part].samples;
      if (!damage[i].empty()) {
        ++lost[part];
        context.warn("left out: " + damage[i]);
        continue;
      }
      if (kept != i) data.paths[kept] = std::move(data.paths[i]);
      if (!data.classes.empty()) data.classes[kept] = data.classes[i];
      ++kept;
    }
    if (kept == 0) throw Error(fmt::format("every one of the {} images is damaged; {}", data.paths.size(), damage.front()));
    if (kept < data.paths.size()) context.warn(fmt::format("{} of {} images are damaged and left out", data.paths.size() - kept, data.paths.size()));
    for (part = 0; part < lost.size(); ++part) data.split_parts[part].samples -= lost[part];
    data.paths.resize(kept);
    if (!data.classes.empty()) data.classes.resize(kept);
  }
};

}  // namespace

CDC_PLUGIN(ImageFolder, "dataset.image_folder")
