// What torch.save() writes: how PyTorch's torch/serialization.py lays pickles and storages out.
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <unordered_set>

#include "artifact/pickle.hpp"
#include "artifact/weights_detail.hpp"
#include "artifact/zip.hpp"
#include "cdc/error.hpp"

namespace cdc::weights {
namespace {

using pickle::Contents;
using pickle::Kind;
using pickle::Object;

constexpr std::size_t kDeepest = 16, kMostNames = 100'000, kLongestName = 1000;
constexpr std::size_t kAllNames = 16'000'000;  // letters; a dictionary that stands in many others is named anew in each

/// Dictionaries and lists in each other as one list of names.
class Names {
 public:
  explicit Names(const Contents& contents) : contents_(contents) {
    const Object& root = contents.objects[contents.root];
    if (root.kind != Kind::dictionary)
      throw Error(fmt::format("it holds {}; in Python, torch.save(model.state_dict(), FILE) writes its tensors", what(root)));
    visit(root, "", 0);
  }
  std::vector<std::pair<std::string, const pickle::Tensor*>> tensors;
  std::vector<std::pair<std::string, std::string>> unread;

 private:
  static std::string what(const Object& root) {
    if (root.kind == Kind::object || root.kind == Kind::global)
      return fmt::format("an object of Python's '{}', which could be made only by running code: that is not done", root.text);
    return root.kind == Kind::tensor ? "a tensor without a name" : "no dictionary of tensors";
  }
  void visit(const Object& one, const std::string& name, std::size_t depth) {
    letters_ += name.size();
    if (++visits_ > kMostNames || depth > kDeepest || name.size() > kLongestName || letters_ > kAllNames) damaged("its dictionaries hold each other");
    const std::string start = name.empty() ? name : name + ".";
    switch (one.kind) {
      case Kind::dictionary:
        for (std::size_t i = 0; i + 1 < one.items.size(); i += 2) {
          const Object& key = contents_.objects[one.items[i]];
          if (key.kind != Kind::string && key.kind != Kind::integer) continue;  // no tensor of a network is called by anything else
          visit(contents_.objects[one.items[i + 1]], start + (key.kind == Kind::string ? std::string(key.text) : std::to_string(key.integer)),
                depth + 1);
        }
        break;
      case Kind::list:
      case Kind::tuple:
        for (std::size_t i = 0; i < one.items.size(); ++i) visit(contents_.objects[one.items[i]], start + std::to_string(i), depth + 1);
        break;
      case Kind::tensor:
        if (!known_.insert(name).second) damaged(fmt::format("two tensors are called '{}'", name));
        tensors.emplace_back(name, &contents_.tensors[static_cast<std::size_t>(one.integer)]);
        break;
      case Kind::global:
      case Kind::object:
        letters_ += one.text.size();
        unread.emplace_back(name, one.text);
        break;
      default:
        break;  // a number or text: not a tensor, and no harm
    }
  }

  const Contents& contents_;
  std::unordered_set<std::string> known_;
  std::size_t visits_ = 0, letters_ = 0;
};

/// `bytes[i]` are those of storage i.
WeightArrays arrays_of(const FileBytes& file, const Contents& contents, const std::vector<std::string_view>& bytes) {
  const Names names(contents);
  std::vector<std::shared_ptr<const void>> memory;
  for (std::size_t i = 0; i < bytes.size(); ++i) memory.push_back(aligned(file, bytes[i], contents.storages[i].type));
  WeightArrays all;
  all.unread = names.unread;
  for (const auto& [name, tensor] : names.tensors) {
    WeightArray one;
    one.name = name;
    one.type = contents.storages[tensor->storage].type;
    one.shape = tensor->shape;
    one.strides = tensor->strides;
    const std::shared_ptr<const void>& storage = memory[tensor->storage];
    const std::size_t offset = static_cast<std::size_t>(tensor->offset) * element_size(one.type);
    one.data = {storage, static_cast<const char*>(storage.get()) + offset};
    all.arrays.push_back(std::move(one));
  }
  return all;
}

std::size_t bytes_of(const pickle::Storage& storage) { return static_cast<std::size_t>(storage.elements) * element_size(storage.type); }

constexpr const char* kBigEndian = "it was written by a machine that stores numbers the other way round (big endian); save it anew on one like this";

}  // namespace

// NAME/data.pkl, NAME/data/KEY for each storage, NAME/byteorder.
WeightArrays read_torch_zip(const FileBytes& file) {
  std::map<std::string_view, const zip::Entry*> by_name;
  const std::vector<zip::Entry> entries = zip::entries(file.view());
  constexpr std::string_view kPickle = "data.pkl";
  const zip::Entry* state = nullptr;
  for (const zip::Entry& entry : entries) {
    by_name[entry.name] = &entry;
    const std::size_t slash = entry.name.find('/');
    if (slash != std::string_view::npos && entry.name.substr(slash + 1) == kPickle) state = &entry;
  }
  if (state == nullptr) throw Error("it is a zip archive, but not one that torch.save() wrote (no NAME/data.pkl)");
  const std::string folder(state->name.substr(0, state->name.size() - kPickle.size()));
  const auto find = [&](const std::string& name) -> const zip::Entry* {
    const auto found = by_name.find(folder + name);
    return found == by_name.end() ? nullptr : found->second;
  };
  if (const zip::Entry* order = find("byteorder"); order != nullptr && zip::contents(*order) != "little") throw Error(kBigEndian);
  const Contents contents = pickle::read(zip::contents(*state));
  std::vector<std::string_view> bytes;
  for (const pickle::Storage& storage : contents.storages) {
    const zip::Entry* data = find(fmt::format("data/{}", storage.key));
    if (data == nullptr) damaged(fmt::format("the entry '{}data/{}' is missing", folder, storage.key));
    const std::string_view all = zip::contents(*data);
    if (all.size() < bytes_of(storage)) damaged(fmt::format("the entry '{}data/{}' is too short", folder, storage.key));
    bytes.push_back(all.substr(0, bytes_of(storage)));
  }
  return arrays_of(file, contents, bytes);
}

// Pickles of the magic number, the version of the layout, the machine, the state, the storages' keys; then, in the order of the keys, each storage:
// the number of its elements in 8 bytes, the elements.
WeightArrays read_torch_pickles(const FileBytes& file) {
  std::string_view rest = file.view().substr(kTorchMagic.size());
  const auto next = [&] {
    Contents contents = pickle::read(rest);
    rest.remove_prefix(contents.size);
    return contents;
  };
  const Contents version = next(), machine = next();
  if (const Object& number = version.objects[version.root]; number.kind != Kind::integer || number.integer != 1001)
    throw Error("its layout is of another version than 1001, the last; save it anew with a PyTorch of today");
  if (const Object* little = machine.find(machine.objects[machine.root], "little_endian"); little == nullptr || little->integer != 1)
    throw Error(kBigEndian);
  const Contents contents = next(), keys = next();
  std::map<std::string_view, std::size_t> by_key;
  for (std::size_t i = 0; i < contents.storages.size(); ++i) by_key[contents.storages[i].key] = i;
  std::vector<std::string_view> bytes(contents.storages.size());
  for (const std::size_t item : keys.objects[keys.root].items) {
    const auto found = by_key.find(keys.objects[item].text);
    if (found == by_key.end()) throw Error("it holds numbers of a type that is not read here (complex or quantised); save it without them");
    const pickle::Storage& storage = contents.storages[found->second];
    std::int64_t elements = 0;
    if (rest.size() < sizeof elements) damaged("it ends early");
    std::memcpy(&elements, rest.data(), sizeof elements);
    rest.remove_prefix(sizeof elements);
    if (elements != storage.elements) damaged("a storage's size");
    if (rest.size() < bytes_of(storage)) damaged("it ends early");
    bytes[found->second] = rest.substr(0, bytes_of(storage));
    rest.remove_prefix(bytes_of(storage));
    by_key.erase(found);
  }
  for (const auto& [key, i] : by_key)
    if (contents.storages[i].elements > 0) damaged(fmt::format("the storage '{}' is missing", key));
  return arrays_of(file, contents, bytes);
}

}  // namespace cdc::weights
