#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "architecture.hpp"
#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/schema.hpp"
#include "cdc/session.hpp"
#include "cdc/stage.hpp"

namespace {

constexpr const char* kAuto = "auto";

bool starts_with(const std::string& text, const std::string& start) { return text.compare(0, start.size(), start) == 0; }
bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string type_name(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return "uint8 or bool";
    case at::kChar:
      return "int8";
    case at::kShort:
      return "int16";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kDouble:
      return "float64";
    default:
      return "float32";
  }
}

std::string first_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  return fmt::format("'{}'{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size())), "', '"),
                     names.size() > kShown ? ", ..." : "");
}

/// What came of numbers of another type than the graph's ("; 61 tensors of float16 converted"). cdc::Error where numbers are not what such weights
/// can be: integers in place of fractions, fractions in place of counts, NaN or infinity.
std::string checked_numbers(const std::string& path, const std::vector<cdc::NamedTensor>& saved, const std::vector<cdc::NamedTensor>& taken) {
  std::map<std::string, const at::Tensor*> ours;
  for (const cdc::NamedTensor& t : taken) ours[t.name] = &t.tensor;
  std::map<std::string, std::size_t> converted;
  std::vector<std::string> integers, fractions, endless, too_large;
  for (const cdc::NamedTensor& t : saved) {
    const at::Tensor& now = *ours.at(t.name);
    const std::string name = fmt::format("{} ({})", t.name, type_name(t.tensor.scalar_type()));
    if (!t.tensor.is_floating_point() && now.is_floating_point()) {
      integers.push_back(name);
    } else if (!now.is_floating_point()) {
      if (t.tensor.is_floating_point() && !at::equal(now.to(at::kDouble), t.tensor.to(at::kDouble))) fractions.push_back(name);
    } else if (!at::isfinite(now).all().item<bool>()) {
      (at::isfinite(t.tensor).all().item<bool>() ? too_large : endless).push_back(name);
    } else if (t.tensor.scalar_type() != now.scalar_type()) {
      ++converted[type_name(t.tensor.scalar_type())];
    }
  }
  const auto refuse = [&](const std::vector<std::string>& names, const char* what, const char* remedy) {
    const bool one = names.size() == 1;
    if (!names.empty())
      throw cdc::Error(fmt::format("{}: {} {}: {}; {}", path, one ? "one tensor holds" : fmt::format("{} tensors hold", names.size()), what,
                                   first_names(names), remedy));
  };
  refuse(integers, "integers where the graph has fractions",
         "they are quantized, or something else of these names: save the weights as float32 in Python, quantized ones after dequantize()");
  refuse(fractions, "fractions where the graph has counts", "leave them out by 'skip', or save them as int64");
  refuse(endless, "NaN or infinity", "the training that made them failed: take an earlier file of it");
  refuse(too_large, "numbers that are beyond those of float32", "such weights cannot be used here");
  std::string text;
  for (const auto& [type, count] : converted) text += fmt::format("; {} of {} converted", count, type);
  return text;
}

/// What `skip` would have to leave out, where that alone keeps the weights from fitting; `start` is the node's name.
std::string skip_hint(const std::vector<cdc::NamedTensor>& weights, const std::vector<cdc::NamedTensor>& state, const std::string& start) {
  std::map<std::string, const at::Tensor*> theirs;
  for (const cdc::NamedTensor& t : weights) theirs[t.name] = &t.tensor;
  for (const cdc::NamedTensor& t : state) {
    if (!starts_with(t.name, start)) continue;
    const auto found = theirs.find(t.name);
    if (found == theirs.end() || found->second->sizes() != t.tensor.sizes()) return {};
    theirs.erase(found);
  }
  std::set<std::string> groups;
  for (const auto& [name, tensor] : theirs) groups.insert("\"" + name.substr(start.size(), name.find('.', start.size()) + 1 - start.size()) + "\"");
  return theirs.empty() ? std::string() : fmt::format("; all else fits: skip = [{}] leaves those out", fmt::join(groups, ", "));
}

/// Weights that another program trained, in a graph of this one: of a torchvision network, of MoCo, of another run.
class Load final : public cdc::Stage {
 public:
  static constexpr cdc::In<cdc::Dataset> kData{"data", "Images as the graph is to see them: their size and channels fix its sizes"};
  static constexpr cdc::Out<cdc::Model> kModel{"model", "The graph with these weights"};

  std::string path, node, prefix = kAuto;
  std::vector<std::string> skip;

  static void describe(cdc::Schema<Load>& s) {
    s.summary("Weights of a file in a graph of nodes: safetensors, or what PyTorch's torch.save() wrote (.pth), of which nothing is executed.");
    s.param(&Load::path, "path", "The file").required();
    s.port(&Load::node, "node", "The node that the weights are of; without it names in the file are NODE.TENSOR, as in a run's own", std::nullopt);
    s.param(&Load::prefix, "prefix",
            "What names in the file begin with, taken off; others are left out. auto: what stands there before the graph's names. A dictionary in "
            "the file "
            "is part of its names, as in \"state_dict.module.encoder_q.\"; \"state_dict.\" may be left out");
    s.param(&Load::skip, "skip", "Names that begin so, behind the prefix, are left out");
    s.input(kData).output(kModel);
    s.graph();
    s.uncached().unseeded();
  }

  std::vector<std::filesystem::path> files() const override {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored))
      throw cdc::Error(fmt::format("{} is a folder, pipe or device: set 'path' to a regular file of weights", path));
    if (!std::filesystem::is_regular_file(path, ignored))
      throw cdc::Error(fmt::format("there is no file {}: get it, or set 'path' to where it is", path));
    return {path};
  }

  void run(cdc::StageContext& context) override;

 private:
  std::string find_prefix(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const;
  std::string given_prefix(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const;
  void refuse_unread(const cdc::FileWeights& file, const std::string& taken_off) const;
  std::string cause(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const;
  bool skipped(const std::string& name) const {
    return std::any_of(skip.begin(), skip.end(), [&](const std::string& start) { return starts_with(name, start); });
  }
};

/// What stands before the graph's names, and before how many of them.
std::map<std::string, std::size_t> prefixes_of(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) {
  std::map<std::string, std::size_t> found;
  for (const std::string& name : ours)
    for (const std::string& longer : theirs) {
      if (!ends_with(longer, name)) continue;
      const std::string start = longer.substr(0, longer.size() - name.size());
      if (start.empty() || start.back() == '.') ++found[start];
    }
  return found;
}

/// Why the file's tensors are not the graph's, where it is of another network: a sentence's start, empty where that cannot be told.
std::string Load::cause(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const {
  const std::string there = architecture_of(theirs), here = architecture_of(ours);
  if (there.empty() || there == here) return {};
  std::string remedy = "no backbone here is one, so get weights of one that cdc-inspect lists";
  for (const char* depth : {"18", "34", "50"})
    if (there == fmt::format("a ResNet-{}", depth)) remedy = fmt::format("set plugin = \"backbone.resnet{}\", or get others", depth);
  if (there == "a plain convolutional network") remedy = "set the graph's plugins to what it holds, or get others";
  return fmt::format("these look like the weights of {}{}: {}; ", there, here.empty() ? ", not of this graph" : ", and the graph has " + here,
                     remedy);
}

/// What stands before the graph's names, where most of them are found.
std::string Load::find_prefix(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const {
  std::size_t most = 0;
  std::vector<std::string> best;
  for (const auto& [start, count] : prefixes_of(theirs, ours)) {
    if (count > most) best.clear();
    if (count >= most) best.push_back(start);
    most = std::max(most, count);
  }
  if (best.empty())
    throw cdc::Error(fmt::format(
        "{} holds nothing for this graph: {}its tensors are called {}, the graph's {}; set 'node' and the graph's plugins to what it holds", path,
        cause(theirs, ours), first_names(theirs), first_names(ours)));
  if (best.size() > 1)
    throw cdc::Error(
        fmt::format("in {} the graph's names stand behind {} prefixes: {}; set 'prefix' to one of them", path, best.size(), first_names(best)));
  return best.front();
}

std::string Load::given_prefix(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const {
  for (const std::string& start : {prefix, "state_dict." + prefix}) {
    const auto has_it = [&](const std::string& name) { return starts_with(name, start); };
    if (std::none_of(theirs.begin(), theirs.end(), has_it)) continue;
    const auto goes_on = [&](const std::string& name) { return !has_it(name) || (name.size() > start.size() && name[start.size()] == '.'); };
    if (!start.empty() && std::all_of(theirs.begin(), theirs.end(), goes_on))
      throw cdc::Error(fmt::format("behind prefix = \"{0}\" names in {1} begin with a dot: write prefix = \"{0}.\"", prefix, path));
    return start;
  }
  std::vector<std::string> others;
  for (const auto& [start, count] : prefixes_of(theirs, ours)) others.push_back(start);
  throw cdc::Error(fmt::format("no tensor in {} has a name that begins with prefix = \"{}\"; they are called {}{}", path, prefix, first_names(theirs),
                               others.empty() ? "" : "; names of this graph stand behind " + first_names(others)));
}

/// What is in the file, but cannot be read.
void Load::refuse_unread(const cdc::FileWeights& file, const std::string& taken_off) const {
  for (const auto& [name, made_by] : file.unread) {
    if (!starts_with(name, taken_off) || skipped(name.substr(taken_off.size()))) continue;
    const std::string remedy = fmt::format("or leave it out, skip = [\"{}\"]", name.substr(taken_off.size()));
    if (starts_with(made_by, "torch.") && (ends_with(made_by, "Storage") || starts_with(made_by, "torch.float")))
      throw cdc::Error(
          fmt::format("in {} '{}' holds numbers of the type {}, which are not read here (complex, quantized or of 8 bits); convert it in "
                      "Python, tensor.dequantize().float(), {}",
                      path, name, made_by, remedy));
    throw cdc::Error(
        fmt::format("in {} '{}' is no tensor, but made by Python's {}, which is not run; save it as a tensor, {}", path, name, made_by, remedy));
  }
}

void Load::run(cdc::StageContext& context) {
  const cdc::FileWeights file = cdc::read_weights(path);
  if (file.tensors.empty()) throw cdc::Error(fmt::format("{} holds no tensor; set 'path' to a file of weights", path));
  const auto session = context.session();
  cdc::SessionOptions options;
  options.data = context.in(kData);
  options.threads = context.threads();
  session->build(options);

  const std::string start = node.empty() ? std::string() : context.port("node").first + ".";
  std::vector<std::string> ours, theirs;
  for (const cdc::NamedTensor& t : session->state())
    if (starts_with(t.name, start)) ours.push_back(t.name.substr(start.size()));
  for (const cdc::NamedTensor& t : file.tensors) theirs.push_back(t.name);
  if (ours.empty())
    throw cdc::Error(node.empty() ? "no node of the graph has weights" : fmt::format("node '{}' has no weights", context.port("node").first));
  const std::string taken_off = prefix == kAuto ? find_prefix(theirs, ours) : given_prefix(theirs, ours);
  refuse_unread(file, taken_off);
  std::vector<cdc::NamedTensor> weights;
  for (const cdc::NamedTensor& t : file.tensors) {
    if (!starts_with(t.name, taken_off)) continue;
    const std::string name = t.name.substr(taken_off.size());
    if (!skipped(name)) weights.push_back({start + name, t.tensor});
  }
  for (const std::string& begin : skip)
    if (std::none_of(theirs.begin(), theirs.end(), [&](const std::string& name) { return starts_with(name, taken_off + begin); }) &&
        std::none_of(file.unread.begin(), file.unread.end(), [&](const auto& one) { return starts_with(one.first, taken_off + begin); }))
      context.warn(fmt::format("skip = [\"{}\"] leaves nothing out: no name in {} begins so behind the prefix \"{}\"", begin, path, taken_off));
  const std::size_t left_out = theirs.size() - weights.size();
  // Normalisation layers of before PyTorch 0.4.1 did not count their batches, and PyTorch itself does not ask for it.
  for (const cdc::NamedTensor& t : session->state())
    if (ends_with(t.name, ".num_batches_tracked") &&
        std::none_of(weights.begin(), weights.end(), [&](const cdc::NamedTensor& w) { return w.name == t.name; }))
      weights.push_back(t);
  try {
    session->load_state(weights, cdc::Names::all);
  } catch (const cdc::Error& e) {
    std::vector<std::string> left;
    for (const cdc::NamedTensor& t : weights) left.push_back(t.name.substr(start.size()));
    const std::string hint = skip_hint(weights, session->state(), start);
    throw cdc::Error(fmt::format("{} (prefix \"{}\"): {}{}{}", path, taken_off, cause(left, ours), e.what(),
                                 hint.empty() ? "; set 'node', 'prefix', 'skip' or the graph so that they agree" : hint));
  }
  const std::string converted = checked_numbers(path, weights, session->state());

  auto model = std::make_shared<cdc::Model>();
  std::int64_t numbers = 0;
  for (const cdc::NamedTensor& t : session->state()) {
    model->state.push_back({t.name, t.tensor.detach().clone(), t.trainable, t.decay});
    numbers += t.tensor.numel();
  }
  context.info(fmt::format("{} tensors ({:.2f} M numbers) of {}, prefix \"{}\"; {} others there left out{}", model->state.size(),
                           static_cast<double>(numbers) / 1e6, path, taken_off, left_out, converted));
  model->protocol = cdc::Value::table();
  model->protocol["weights"] = path;
  model->protocol["prefix"] = taken_off;
  context.out(kModel, std::shared_ptr<const cdc::Model>(std::move(model)));
}

}  // namespace
CDC_PLUGIN(Load, "stage.load")
