#include "torch/load_tensors.hpp"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "cdc/error.hpp"

namespace cdc {

std::size_t load_tensors(const std::vector<NamedTensor>& ours, const std::vector<NamedTensor>& saved, Names names) {
  const at::NoGradGuard no_gradient;
  std::map<std::string, const at::Tensor*> theirs;
  for (const NamedTensor& t : saved) theirs[t.name] = &t.tensor;
  std::vector<std::string> missing, wrong;
  std::size_t taken = 0;
  for (const NamedTensor& tensor : ours) {
    const auto found = theirs.find(tensor.name);
    if (found == theirs.end()) {
      missing.push_back(tensor.name);
      continue;
    }
    if (tensor.tensor.sizes() == found->second->sizes()) {
      tensor.tensor.copy_(*found->second);
      ++taken;
    } else {
      const auto text = [](c10::IntArrayRef s) { return fmt::format("[{}]", fmt::join(s.begin(), s.end(), ", ")); };
      wrong.push_back(fmt::format("{} is {} here, {} there", tensor.name, text(tensor.tensor.sizes()), text(found->second->sizes())));
    }
    theirs.erase(found);
  }
  const auto list = [](const std::vector<std::string>& tensors) {
    std::vector<std::string> first(tensors.begin(), tensors.begin() + std::min<std::ptrdiff_t>(8, static_cast<std::ptrdiff_t>(tensors.size())));
    return fmt::format("{}{}", fmt::join(first, ", "), tensors.size() > 8 ? fmt::format(" and {} more", tensors.size() - 8) : "");
  };
  std::vector<std::string> unexpected, problems;
  for (const auto& entry : theirs) unexpected.push_back(entry.first);
  const auto add = [&](const std::vector<std::string>& tensors, const char* what) {
    if (!tensors.empty()) problems.push_back(fmt::format("{} {}: {}", tensors.size(), what, list(tensors)));
  };
  if (names != Names::common) add(missing, "missing");
  if (names == Names::all) add(unexpected, "unexpected");
  add(wrong, "of another shape");
  if (!problems.empty()) throw Error(fmt::format("the weights do not fit this graph: {}", fmt::join(problems, "; ")));
  if (taken == 0 && !saved.empty())
    throw Error(fmt::format("none of the weights has a name that this graph knows; they are called {}; here: {}", list(unexpected), list(missing)));
  return taken;
}

}  // namespace cdc
