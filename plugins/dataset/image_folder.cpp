#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <set>

#include "array_dataset.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/stage.hpp"
#include "cdc/suggest.hpp"
#include "decode.hpp"
#include "image_tree.hpp"

namespace {

using cdc::Error;
using cdc::dataset::FileLook;
using cdc::dataset::ImageTree;
using cdc::dataset::Listing;
namespace fs = std::filesystem;

constexpr const char* kSkipHint = "set on_damaged = \"skip\" to leave out what cannot be read";

class FolderDataset final : public cdc::Dataset {
 public:
  std::vector<std::string> paths;
  std::vector<std::int32_t> classes;  ///< empty: no labels
  std::vector<std::string> names;
  std::string split_name;
  std::vector<cdc::SplitPart> split_parts;
  std::vector<std::string> part_folders;  ///< of split_parts, where the paths begin
  std::string collection;
  int channel_count = 3;
  bool skips = false;  ///< on_damaged = "skip": every file was decoded when opening

  std::int64_t size() const override { return static_cast<std::int64_t>(paths.size()); }
  int channels() const override { return channel_count; }
  std::array<int, 2> image_size() const override { return {0, 0}; }
  cdc::Image image(std::int64_t i) const override {
    try {
      return cdc::dataset::decode_file(paths[static_cast<std::size_t>(i)], channel_count);
    } catch (const Error& error) {
      throw Error(error.what() + (skips ? std::string() : "; mend it, or " + std::string(kSkipHint)));
    }
  }
  const std::vector<std::int32_t>& labels() const override { return classes; }
  const std::vector<std::string>& class_names() const override { return names; }
  std::string split() const override { return split_name; }
  std::vector<cdc::SplitPart> parts() const override { return split_parts; }
  std::string sample_name(std::int64_t i) const override { return paths[static_cast<std::size_t>(i)]; }
  std::string fingerprint() const override { return collection; }

  /// By names below the splits' folders, and sizes in bytes: other images often have the same names.
  void identify(const std::vector<cdc::dataset::FileLook>& looks) {
    std::string contents, first, last;
    std::size_t i = 0;
    for (std::size_t part = 0; part < split_parts.size(); ++part) {
      for (const std::size_t end = i + static_cast<std::size_t>(split_parts[part].samples); i < end; ++i) {
        last = paths[i].substr(part_folders[part].size());
        last.erase(0, last.find_first_not_of('/'));
        if (i == 0) first = last;
        contents += fmt::format("{}{}{}{}", last, '\0', looks[i].bytes, '\0');
      }
      contents += '\n';
    }
    collection = make_fingerprint(size(), first, last, contents);
  }
};

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
    s.param(&ImageFolder::root, "root", "The folder").required().no_effect_on_result();  // what lies there counts: files()
    s.param(&ImageFolder::split, "split",
            "Name of the split; where root has a subfolder of that name, the images are taken from it. \"train+val\" takes both");
    s.param(&ImageFolder::classes, "classes", "Text file naming the class folders to take, one a line, in order of their labels; empty: all, sorted")
        .no_effect_on_result();
    s.param(
         &ImageFolder::on_damaged, "on_damaged",
         "stop: a damaged file ends the run, on opening where its beginning or end tells, else when it is decoded; skip: every file is decoded once "
         "on opening and the damaged ones are left out, with a warning")
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
      for (const std::string& name : wanted_classes(parts)) all.push_back(class_folder(part, name));
    all.emplace_back(classes);
    return all;
  }

  void run(cdc::StageContext& context) override {
    auto data = std::make_shared<FolderDataset>();
    data->split_name = split;
    data->channel_count = static_cast<int>(channels);
    data->skips = on_damaged == "skip";
    const std::vector<fs::path> parts = folders();
    ImageTree tree;
    std::vector<Listing> listings;
    for (const fs::path& part : parts) listings.push_back(tree.list(part));
    if (classes.empty() && std::all_of(listings.begin(), listings.end(), [](const Listing& l) { return l.folders.empty(); })) {
      for (std::size_t p = 0; p < parts.size(); ++p) {
        if (listings[p].images.empty()) throw Error(nothing_in(parts[p], "no image ({}) and no folder in it{}", tree));
        std::move(listings[p].images.begin(), listings[p].images.end(), std::back_inserter(data->paths));
        end_part(*data, p, parts);
      }
    } else {
      labelled(*data, parts, listings, tree, context);
    }
    warn_of_split(parts, *data, context);
    tell_left_out(tree, *data, context);
    std::vector<FileLook> looks = look_at_all(*data, context);
    leave_out_damaged(*data, looks, context);
    warn_of_copies(*data, looks, context);
    data->identify(looks);
    context.out(kData, std::shared_ptr<const cdc::Dataset>(std::move(data)));
  }

 private:
  std::vector<fs::path> folders() const {
    if (!fs::is_directory(root)) throw Error(fmt::format("{}: no such folder; set root to the folder of the images", root));
    const std::vector<std::string> parts = cdc::dataset::split_parts(split);
    if (parts.size() == 1 && !fs::is_directory(fs::path(root) / split)) {
      if (classes.empty()) refuse_splits_as_classes();
      return {fs::path(root)};
    }
    std::vector<fs::path> all;
    for (const std::string& part : parts) {
      all.push_back(fs::path(root) / part);
      if (!fs::is_directory(all.back())) {
        const std::string hint = like_split(part, ImageTree().list(root).folders);
        throw Error(fmt::format("{}: no such folder; split = \"{}\" needs it{}", all.back().string(), split, hint));
      }
    }
    return all;
  }

  /// "; did you mean 'validation'?" for "val"; else what there is.
  static std::string like_split(const std::string& part, const std::vector<std::string>& there) {
    const std::string kind = cdc::dataset::split_kind(part);
    for (const std::string& name : there)
      if (!kind.empty() && cdc::dataset::split_kind(name) == kind) return fmt::format("; did you mean '{}'?", name);
    const std::string hint = cdc::did_you_mean(part, there);
    return hint.empty() ? cdc::there_are(there) : hint;
  }

  /// Where root has no folder of the split's name, its folders are classes: unless they are the folders of other splits.
  void refuse_splits_as_classes() const {
    const std::vector<std::string> there = ImageTree().list(root).folders;
    std::set<std::string> kinds;
    std::int64_t splits = 0;
    for (const std::string& name : there) {
      const std::string kind = cdc::dataset::split_kind(name);
      if (kind.empty()) continue;
      kinds.insert(kind);
      ++splits;
    }
    // A class may be called "train": of several classes it is the only one of such a name, and the split asked for is another.
    const bool same_kind = kinds.count(cdc::dataset::split_kind(split)) > 0;
    if (splits == 0 || (kinds.size() < 2 && !same_kind && splits < static_cast<std::int64_t>(there.size()))) return;
    throw Error(
        fmt::format("{}: it has no folder '{}' for split = \"{}\", and its folders look like those of splits, not of classes{}; set split to one of "
                    "them, or, if they are classes, name them in a file (classes = ...)",
                    root, split, split, like_split(split, there)));
  }

  /// "PATH: " and the text, with the endings that are read and what else is there.
  static std::string nothing_in(const fs::path& folder, const char* text, const ImageTree& tree) {
    const std::string others = tree.other_images();
    return folder.string() + ": " +
           fmt::format(fmt::runtime(text), cdc::dataset::kImageEndings,
                       others.empty() ? "" : fmt::format("; there are images of other formats ({}): convert them to PNG or JPEG", others));
  }

  void labelled(FolderDataset& data, const std::vector<fs::path>& parts, const std::vector<Listing>& listings, ImageTree& tree,
                cdc::StageContext& context) const {
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
      refuse_wrong_level(parts, data.names);
    } else {
      data.names = wanted_classes(parts);
    }
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const std::set<std::string> present(listings[p].folders.begin(), listings[p].folders.end());
      std::vector<std::string> missing;
      for (std::size_t k = 0; k < data.names.size(); ++k) {
        if (classes.empty() && present.count(data.names[k]) == 0) {  // a class that only another split has
          missing.push_back(data.names[k]);
          continue;
        }
        const std::size_t before = data.paths.size();
        ImageTree below;
        below.gather(class_folder(parts[p], data.names[k]), data.paths);
        data.classes.resize(data.paths.size(), static_cast<std::int32_t>(k));
        if (data.paths.size() == before) {
          throw Error(nothing_in(parts[p] / data.names[k],
                                 "no image ({}) below this class folder; remove it, or name the classes to take in a file (classes = ...){}", below));
        }
        tree.add(below);
      }
      if (!missing.empty())
        context.warn(fmt::format("{}: it has no folder of the class{} {}, which the other splits have", parts[p].string(),
                                 missing.size() == 1 ? "" : "es", cdc::quoted_list(missing)));
      end_part(data, p, parts);
    }
    warn_of_case(data.names, context);
  }

  /// Root is one level too high, or what lies in the class folders are splits.
  void refuse_wrong_level(const std::vector<fs::path>& parts, const std::vector<std::string>& names) const {
    for (const fs::path& part : parts)
      for (const std::string& name : names) {
        if (!fs::is_directory(part / name)) continue;
        const Listing inside = ImageTree().list(part / name);
        if (!inside.images.empty() || inside.folders.empty()) continue;
        const bool splits =
            std::all_of(inside.folders.begin(), inside.folders.end(), [](const std::string& f) { return !cdc::dataset::split_kind(f).empty(); });
        if (splits && names.size() == 1)
          throw Error(fmt::format("{}: the folders of splits ({}) lie one level deeper; set root = \"{}\"", part.string(),
                                  cdc::quoted_list(inside.folders), (part / name).string()));
        if (splits)
          throw Error(fmt::format("{}: the class folder holds folders of splits ({}); a split's folder has the class folders in it",
                                  (part / name).string(), cdc::quoted_list(inside.folders)));
        if (names.size() == 1)
          throw Error(
              fmt::format("{}: its only folder '{}' has no image in it but folders ({}); if those are the classes, set root = \"{}\", else name the "
                          "one class in a file (classes = ...)",
                          part.string(), name, cdc::quoted_list(inside.folders), (part / name).string()));
      }
  }

  static void warn_of_case(const std::vector<std::string>& names, cdc::StageContext& context) {
    std::map<std::string, std::string> seen;
    for (const std::string& name : names) {
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const auto [found, added] = seen.emplace(lower, name);
      if (!added) context.warn(fmt::format("the class folders '{}' and '{}' differ in case alone: they are two classes", found->second, name));
    }
  }

  fs::path class_folder(const fs::path& part, const std::string& name) const {
    fs::path folder = part / name;
    if (!fs::is_directory(folder)) {
      const std::vector<std::string> there = ImageTree().list(part).folders;
      throw Error(fmt::format("{}: no such class folder; {} names it{}", folder.string(), classes, cdc::did_you_mean(name, there)));
    }
    return folder;
  }

  /// All images of part p of the split are gathered.
  void end_part(FolderDataset& data, std::size_t p, const std::vector<fs::path>& parts) const {
    std::int64_t before = 0;
    for (const cdc::SplitPart& part : data.split_parts) before += part.samples;
    data.split_parts.push_back({parts.size() == 1 ? split : cdc::dataset::split_parts(split)[p], data.size() - before});
    data.part_folders.push_back(parts[p].string());
  }

  /// A line is the name of a folder; of a line that names none the first word counts, and what follows is a name for people.
  std::vector<std::string> wanted_classes(const std::vector<fs::path>& parts) const {
    if (!fs::is_regular_file(classes)) throw Error(fmt::format("{}: cannot be opened; set classes to a text file of class folders", classes));
    std::ifstream in(classes);  // of a pipe it would wait
    if (!in) throw Error(fmt::format("{}: cannot be opened; set classes to a text file of class folders", classes));
    std::vector<std::string> wanted;
    std::set<std::string> seen;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (number == 1 && line.compare(0, 3, "\xef\xbb\xbf") == 0) line.erase(0, 3);  // what some editors begin a text with
      line.erase(line.find_last_not_of(" \t\r") + 1);
      line.erase(0, line.find_first_not_of(" \t\r"));
      if (line.empty()) continue;
      const bool whole = std::any_of(parts.begin(), parts.end(), [&](const fs::path& part) { return fs::is_directory(part / line); });
      if (!whole && line.front() == '#') continue;
      const std::string name = whole ? line : line.substr(0, line.find_first_of(" \t"));
      if (!seen.insert(name).second) throw Error(fmt::format("{}:{}: class folder {} a second time", classes, number, name));
      wanted.push_back(name);
    }
    if (wanted.empty()) throw Error(fmt::format("{}: names no class folder", classes));
    return wanted;
  }

  /// What a wrong `root` or `split` looks like, and may yet be meant.
  void warn_of_split(const std::vector<fs::path>& parts, const FolderDataset& data, cdc::StageContext& context) const {
    const bool below = parts.size() > 1 || parts.front() != fs::path(root);
    if (!below) {
      const std::string folder = fs::absolute(root).lexically_normal().string(), bare = folder.substr(0, folder.find_last_not_of('/') + 1);
      const std::string name = fs::path(bare).filename().string(), kind = cdc::dataset::split_kind(name);
      if (!kind.empty() && kind != cdc::dataset::split_kind(split))
        context.warn(fmt::format("the images are those of the folder '{}', and every score will say that they are of split '{}': set split = \"{}\"",
                                 name, split, name));
    } else if (data.classes.empty()) {
      std::vector<std::string> others;
      for (const std::string& name : ImageTree().list(root).folders)
        if (cdc::dataset::split_kind(name).empty() &&
            std::none_of(parts.begin(), parts.end(), [&](const fs::path& p) { return p.filename() == name; }))
          others.push_back(name);
      if (!others.empty())
        context.warn(
            fmt::format("{} is taken as a split without labels, and the folders beside it ({}) are left out: if they all are classes, set split to "
                        "a name that no folder has, such as \"all\"",
                        parts.front().string(), cdc::quoted_list(others)));
    }
  }

  void tell_left_out(const ImageTree& tree, const FolderDataset& data, cdc::StageContext& context) const {
    for (const std::string& link : tree.links_upwards()) context.warn(fmt::format("{}: a link to a folder that it lies in is not followed", link));
    if (!tree.links_nowhere().empty()) {
      if (on_damaged == "stop")
        throw Error(
            fmt::format("{}: a link that leads nowhere: a folder that is not there? Remove it, or {}", tree.links_nowhere().front(), kSkipHint));
      for (const std::string& link : tree.links_nowhere()) context.warn(fmt::format("left out: {}: a link that leads nowhere", link));
    }
    if (tree.left_out().empty()) return;
    std::vector<std::string> texts;
    std::int64_t all = 0;
    cdc::Value endings = cdc::Value::table();
    for (const auto& [ending, count] : tree.left_out()) {
      const std::string name = ending.empty() ? "without an ending" : ending;
      texts.push_back(fmt::format("{} {}", count, name));
      endings[name] = count;
      all += count;
    }
    const std::string text =
        fmt::format("{} of {} files are no image by their ending ({}), and are left out", all, all + data.size(), fmt::join(texts, ", "));
    const std::string others = tree.other_images();
    if (others.empty())
      context.info(text);
    else
      context.warn(fmt::format("{}; images of other formats are among them ({}): convert them to PNG or JPEG to have them", text, others));
    context.summary("left_out", std::move(endings));
  }

  /// Each file's beginning and end, or all of it where damage is to be skipped.
  std::vector<FileLook> look_at_all(const FolderDataset& data, cdc::StageContext& context) const {
    std::vector<FileLook> looks(data.paths.size());
    std::mutex told;  // one thread at a time speaks to the context
    std::int64_t done = 0;
    cdc::parallel_chunks(data.size(), 64, [&](std::int64_t begin, std::int64_t end) {
      {
        const std::lock_guard lock(told);
        if (context.stopping()) throw cdc::Stopped("stopped while the images were checked");
      }
      for (std::int64_t i = begin; i < end; ++i) {
        FileLook& look = looks[static_cast<std::size_t>(i)];
        look = cdc::dataset::look_at_file(data.paths[static_cast<std::size_t>(i)], data.channel_count);
        if (!data.skips || !look.damage.empty()) continue;
        try {
          data.image(i);
        } catch (const Error& error) {
          look.damage = error.what();
        }
      }
      const std::lock_guard lock(told);
      done += end - begin;
      context.progress({done, data.size(), "image", "checking"});
    });
    return looks;
  }

  static void leave_out_damaged(FolderDataset& data, std::vector<FileLook>& looks, cdc::StageContext& context) {
    std::size_t kept = 0, part = 0;
    const auto damaged = std::count_if(looks.begin(), looks.end(), [](const FileLook& look) { return !look.damage.empty(); });
    if (damaged == 0) return;
    const std::string& first = std::find_if(looks.begin(), looks.end(), [](const FileLook& look) { return !look.damage.empty(); })->damage;
    if (!data.skips)
      throw Error(fmt::format("{}; {} of {} images cannot be read: mend or remove {}, or {}", first, damaged, looks.size(),
                              damaged == 1 ? "it" : "them", kSkipHint));
    if (static_cast<std::size_t>(damaged) == looks.size()) throw Error(fmt::format("every one of the {} images is damaged; {}", looks.size(), first));
    std::vector<std::int64_t> lost(data.split_parts.size(), 0);
    std::int64_t end = data.split_parts.front().samples;  // of the part, among all images
    for (std::size_t i = 0; i < data.paths.size(); ++i) {
      while (static_cast<std::int64_t>(i) >= end) end += data.split_parts[++part].samples;
      if (!looks[i].damage.empty()) {
        ++lost[part];
        context.warn("left out: " + looks[i].damage);
        continue;
      }
      if (kept != i) {
        data.paths[kept] = std::move(data.paths[i]);
        looks[kept] = std::move(looks[i]);
      }
      if (!data.classes.empty()) data.classes[kept] = data.classes[i];
      ++kept;
    }
    context.warn(fmt::format("{} of {} images are damaged and left out", damaged, looks.size()));
    context.summary("damaged", static_cast<std::int64_t>(damaged));
    for (part = 0; part < lost.size(); ++part) data.split_parts[part].samples -= lost[part];
    data.paths.resize(kept);
    looks.resize(kept);
    if (!data.classes.empty()) data.classes.resize(kept);
  }

  static void warn_of_copies(const FolderDataset& data, const std::vector<FileLook>& looks, cdc::StageContext& context) {
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> seen;
    std::int64_t again = 0;
    std::string example;
    for (std::size_t i = 0; i < looks.size(); ++i) {
      const auto [found, added] = seen.emplace(looks[i].identity, i);
      if (added) continue;
      if (again++ == 0) example = fmt::format("{} and {}", data.paths[found->second], data.paths[i]);
    }
    if (again == 0) return;
    context.warn(fmt::format("{} of {} images are others once more, by links ({}): each counts", again, looks.size(), example));
    context.summary("linked_again", again);
  }
};

}  // namespace

CDC_PLUGIN(ImageFolder, "dataset.image_folder")
