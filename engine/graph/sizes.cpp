#include "graph/sizes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>

namespace cdc::planning {
namespace {

bool is_number(const std::string& symbol) { return !symbol.empty() && std::isdigit(static_cast<unsigned char>(symbol[0])) != 0; }

std::int64_t number(const std::string& symbol) {
  std::int64_t out = 0;
  std::from_chars(symbol.data(), symbol.data() + symbol.size(), out);
  return out;
}

class Solver {
 public:
  explicit Solver(const std::vector<SizedPart>& parts) : parts_(parts), slots_(parts.size()) {}

  SolvedSizes solve(const std::vector<KnownSize>& known) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].info == nullptr) continue;
      for (const SizedPart::Fixed& fixed : parts_[i].fixed) fix(i, fixed);
    }
    for (std::size_t i = 0; i < parts_.size(); ++i)
      for (const SizedPart::Wire& wire : parts_[i].wires) connect(i, wire);
    for (std::size_t i = 0; i < parts_.size(); ++i)
      if (parts_[i].kin && parts_[i].info != nullptr) share(i, *parts_[i].kin);
    for (const KnownSize& size : known) apply(size);
    return result();
  }

 private:
  int make(std::int64_t value, std::string origin) {
    parent_.push_back(static_cast<int>(parent_.size()));
    value_.push_back(value);
    disputed_.emplace_back();
    origin_.push_back(std::move(origin));
    return parent_.back();
  }
  int root(int slot) {
    while (parent_[slot] != slot) slot = parent_[slot] = parent_[parent_[slot]];
    return slot;
  }
  int slot(std::size_t part, const std::string& symbol) {
    if (is_number(symbol)) return make(number(symbol), fmt::format("as its plugin '{}' has it", parts_[part].info->id));
    const auto it = slots_[part].find(symbol);
    if (it != slots_[part].end()) return root(it->second);
    return slots_[part][symbol] = make(0, {});
  }

  void fix(std::size_t part, const SizedPart::Fixed& fixed) {
    const int at = slot(part, fixed.symbol);
    if (value_[at] != 0 && value_[at] != fixed.value) {
      problems_.push_back({parts_[part].where, fmt::format("size {} of {} is both {} ({}) and {} ({}): set them alike", fixed.symbol,
                                                           parts_[part].title, value_[at], origin_[at], fixed.value, fixed.origin)});
      return;
    }
    value_[at] = fixed.value;
    origin_[at] = fixed.origin;
  }

  /// A symbol that only this list of connections has may differ between them.
  bool free_in_list(std::size_t part, const PortInfo& port, const std::string& symbol) const {
    if (!port.list) return false;
    const ComponentInfo& info = *parts_[part].info;
    for (const SizeInfo& size : info.sizes)
      if (size.symbol == symbol) return false;
    for (const auto* ports : {&info.inputs, &info.outputs})
      for (const PortInfo& other : *ports)
        if (&other != &port && std::find(other.sizes.begin(), other.sizes.end(), symbol) != other.sizes.end()) return false;
    return true;
  }

  void connect(std::size_t part, const SizedPart::Wire& wire) {
    const SizedPart& from = parts_[wire.source.index];
    if (from.info == nullptr || parts_[part].info == nullptr) return;
    const PortInfo* output = from.info->output(wire.source.port);
    if (output == nullptr) return;
    const std::string reader = fmt::format("input '{}' of {}", wire.input->name, parts_[part].title);
    const std::string source = from.name + "." + output->name;
    if (output->sizes.size() != wire.input->sizes.size()) {
      problems_.push_back(
          {wire.where, fmt::format("{} has {} sizes ({}), but '{}' gives {} ({}): one of the plugins '{}' and '{}' declares its port wrongly", reader,
                                   wire.input->sizes.size(), list(wire.input->sizes), source, output->sizes.size(), list(output->sizes),
                                   parts_[part].info->id, from.info->id)});
      return;
    }
    for (std::size_t i = 0; i < output->sizes.size(); ++i) {
      const std::string &ours = wire.input->sizes[i], &theirs = output->sizes[i];
      const int a = free_in_list(part, *wire.input, ours) ? make(0, {}) : slot(part, ours);
      const int b = slot(wire.source.index, theirs);
      if (a == b) continue;
      const bool told = disputed_[a].count(value_[b]) != 0 || disputed_[b].count(value_[a]) != 0;
      if (value_[a] != 0 && value_[b] != 0 && value_[a] != value_[b] && !told) {
        problems_.push_back({wire.where, fmt::format("sizes do not fit: {} has {} = {} ({}), but '{}' gives {} = {} ({})", reader, named(ours, i),
                                                     value_[a], origin_[a], source, named(theirs, i), value_[b], origin_[b])});
        // One from now on, with both values: what else meets either of them is no further news.
        disputed_[b].insert({value_[a], value_[b]});
      }
      merge(a, b);
    }
  }

  void merge(int a, int b) {
    disputed_[b].insert(disputed_[a].begin(), disputed_[a].end());
    if (value_[b] == 0) {
      value_[b] = value_[a];
      origin_[b] = origin_[a];
    }
    parent_[a] = b;
  }

  /// Weights are made for the sizes of one place and used in another; views, batch, height and width are each place's own.
  void share(std::size_t part, std::size_t owner) {
    for (const std::string& symbol : symbols(*parts_[part].info)) {
      if (symbol == "V" || symbol == "B" || symbol == "H" || symbol == "W") continue;
      const int a = slot(part, symbol), b = slot(owner, symbol);
      if (a == b) continue;
      if (value_[a] != 0 && value_[b] != 0 && value_[a] != value_[b]) {
        problems_.push_back(
            {parts_[part].where,
             fmt::format("sizes do not fit: {} has the weights of '{}' and {} = {} ({}), but '{}' has {} = {} ({})", parts_[part].title,
                         parts_[owner].name, symbol, value_[a], origin_[a], parts_[owner].name, symbol, value_[b], origin_[b])});
        disputed_[b].insert({value_[a], value_[b]});
      }
      merge(a, b);
    }
  }

  static std::vector<std::string> symbols(const ComponentInfo& info) {
    std::vector<std::string> all;
    const auto add = [&](const std::string& symbol) {
      if (!is_number(symbol) && std::find(all.begin(), all.end(), symbol) == all.end()) all.push_back(symbol);
    };
    for (const auto* ports : {&info.inputs, &info.outputs})
      for (const PortInfo& port : *ports)
        for (const std::string& symbol : port.sizes) add(symbol);
    for (const SizeInfo& size : info.sizes) add(size.symbol);
    return all;
  }

  void apply(const KnownSize& size) {
    if (parts_[size.part].info == nullptr || size.value == 0) return;
    const int at = slot(size.part, size.symbol);
    if (disputed_[at].count(size.value) != 0) return;
    if (value_[at] != 0 && value_[at] != size.value) {
      problems_.push_back({size.where, fmt::format("sizes do not fit: {} give {} for size {} of {}, which has to be {} ({})", size.origin, size.value,
                                                   size.symbol, parts_[size.part].title, value_[at], origin_[at])});
      return;
    }
    value_[at] = size.value;
    origin_[at] = size.origin;
  }

  SolvedSizes result() {
    SolvedSizes out;
    out.of.resize(parts_.size());
    out.origin.resize(parts_.size());
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].info == nullptr) continue;
      for (const std::string& symbol : symbols(*parts_[i].info)) {
        const int at = slot(i, symbol);
        out.of[i].emplace_back(symbol, value_[at]);
        out.origin[i][symbol] = origin_[at];
      }
    }
    out.problems = std::move(problems_);
    return out;
  }

  static std::string list(const std::vector<std::string>& sizes) {
    std::string out;
    for (const std::string& one : sizes) out += (out.empty() ? "" : ",") + one;
    return out.empty() ? "none" : out;
  }
  static std::string named(const std::string& symbol, std::size_t position) {
    return is_number(symbol) ? fmt::format("size number {}", position + 1) : symbol;
  }

  const std::vector<SizedPart>& parts_;
  std::vector<std::map<std::string, int>> slots_;
  std::vector<int> parent_;
  std::vector<std::int64_t> value_;
  std::vector<std::string> origin_;
  std::vector<std::set<std::int64_t>> disputed_;  ///< values whose mismatch is told
  std::vector<Diagnostic> problems_;
};

}  // namespace

SolvedSizes solve_sizes(const std::vector<SizedPart>& parts, const std::vector<KnownSize>& known) { return Solver(parts).solve(known); }

}  // namespace cdc::planning
