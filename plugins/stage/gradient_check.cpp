#include "gradient_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cdc/error.hpp"

namespace cdc_stage {

void GradientCheck::start(const std::vector<cdc::NamedTensor>& parameters) {
  all_ = parameters;
  reached_.assign(parameters.size(), never);
}

void GradientCheck::look() {
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (reached_[i] == yes || !all_[i].tensor.grad().defined()) continue;
    reached_[i] = all_[i].tensor.grad().any().item<bool>() ? yes : zero;
  }
}

std::vector<std::string> GradientCheck::without_gradient() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < all_.size(); ++i)
    if (reached_[i] == never) names.push_back(all_[i].name);
  return names;
}

std::vector<std::string> GradientCheck::with_zero_gradient() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < all_.size(); ++i)
    if (reached_[i] == zero) names.push_back(all_[i].name);
  return names;
}

bool GradientCheck::untrained(const std::string& node) const {
  bool has_some = false;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (all_[i].name.rfind(node + ".", 0) != 0) continue;
    if (reached_[i] != never) return false;
    has_some = true;
  }
  return has_some;
}

cdc::Value GradientCheck::state() const {
  cdc::Value state = cdc::Value::array();
  for (const Reached reached : reached_) state.push_back(static_cast<std::int64_t>(reached));
  return state;
}

void GradientCheck::restore(const cdc::Value& state) {
  const cdc::Value::Array& all = state.as_array();
  if (all.size() != reached_.size()) throw cdc::Error(fmt::format("it has gradients of {} parameters, not of {}", all.size(), reached_.size()));
  for (std::size_t i = 0; i < all.size(); ++i) reached_[i] = static_cast<Reached>(std::clamp<std::int64_t>(all[i].as_integer(), never, yes));
}

std::string first_of(const std::vector<std::string>& names, std::size_t most) {
  const std::vector<std::string> first(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size())));
  return fmt::format("{}{}", fmt::join(first, ", "), names.size() > most ? fmt::format(" and {} more", names.size() - most) : "");
}

}  // namespace cdc_stage
