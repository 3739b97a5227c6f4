#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>

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

std::string first_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  return fmt::format("'{}'{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size())), "', '"),
                     names.size() > kShown ? ", ..." : "");
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
    if (!std::filesystem::is_regular_file(path, ignored))
      throw cdc::Error(fmt::format("there is no file {}: get it, or set 'path' to where it is", path));
    return {path};
  }

  void run(cdc::StageContext& context) override;

 private:
  std::string find_prefix(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const;
  std::string given_prefix(const std::vector<std::string>& theirs) const;
  bool skipped(const std::string& name) const {
    return std::any_of(skip.begin(), skip.end(), [&](const std::string& start) { return starts_with(name, start); });
  }
};

/// What stands before the graph's names, where most of them are found.
std::string Load::find_prefix(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) const {
  std::map<std::string, std::size_t> found;
  for (const std::string& name : ours)
    for (const std::string& longer : theirs) {
      if (!ends_with(longer, name)) continue;
      const std::string start = longer.substr(0, longer.size() - name.size());
      if (start.empty() || start.back() == '.') ++found[start];
    }
  std::size_t most = 0;
  std::vector<std::string> best;
  for (const auto& [start, count] : found) {
    if (count > most) best.clear();
    if (count >= most) best.push_back(start);
    most = std::max(most, count);
  }
  if (best.empty())
    throw cdc::Error(
        fmt::format("{} holds nothing for this graph: its tensors are called {}, the graph's {}; set 'node' and the graph's plugins to what it holds",
                    path, first_names(theirs), first_names(ours)));
  if (best.size() > 1)
    throw cdc::Error(
        fmt::format("in {} the graph's names stand behind {} prefixes: {}; set 'prefix' to one of them", path, best.size(), first_names(best)));
  return best.front();
}

std::string Load::given_prefix(const std::vector<std::string>& theirs) const {
  for (const std::string& start : {prefix, "state_dict." + prefix})
    if (std::any_of(theirs.begin(), theirs.end(), [&](const std::string& name) { return starts_with(name, start); })) return start;
  throw cdc::Error(fmt::format("no tensor in {} has a name that begins with prefix = \"{}\"; they are called {}", path, prefix, first_names(theirs)));
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
  const std::string taken_off = prefix == kAuto ? find_prefix(theirs, ours) : given_prefix(theirs);

  for (const auto& [name, made_by] : file.unread)
    if (starts_with(name, taken_off) && !skipped(name.substr(taken_off.size())))
      throw cdc::Error(
          fmt::format("in {} '{}' is no tensor, but made by Python's {}, which is not run; save it as a tensor, or leave it out, skip = [\"{}\"]",
                      path, name, made_by, name.substr(taken_off.size())));
  std::vector<cdc::NamedTensor> weights;
  for (const cdc::NamedTensor& t : file.tensors) {
    if (!starts_with(t.name, taken_off)) continue;
    const std::string name = t.name.substr(taken_off.size());
    if (!skipped(name)) weights.push_back({start + name, t.tensor});
  }
  const std::size_t left_out = theirs.size() - weights.size();
  // Normalisation layers of before PyTorch 0.4.1 did not count their batches, and PyTorch itself does not ask for it.
  for (const cdc::NamedTensor& t : session->state())
    if (ends_with(t.name, ".num_batches_tracked") &&
        std::none_of(weights.begin(), weights.end(), [&](const cdc::NamedTensor& w) { return w.name == t.name; }))
      weights.push_back(t);
  try {
    session->load_state(weights, cdc::Names::all);
  } catch (const cdc::Error& e) {
    throw cdc::Error(fmt::format("{} (prefix \"{}\"): {}; set 'node', 'prefix', 'skip' or the graph so that they agree", path, taken_off, e.what()));
  }

  auto model = std::make_shared<cdc::Model>();
  std::int64_t numbers = 0;
  for (const cdc::NamedTensor& t : session->state()) {
    model->state.push_back({t.name, t.tensor.detach().clone(), t.trainable, t.decay});
    numbers += t.tensor.numel();
  }
  context.info(fmt::format("{} tensors ({:.2f} M numbers) of {}, prefix \"{}\"; {} others there left out", model->state.size(),
                           static_cast<double>(numbers) / 1e6, path, taken_off, left_out));
  model->protocol = cdc::Value::table();
  model->protocol["weights"] = path;
  model->protocol["prefix"] = taken_off;
  context.out(kModel, std::shared_ptr<const cdc::Model>(std::move(model)));
}

}  // namespace
CDC_PLUGIN(Load, "stage.load")
