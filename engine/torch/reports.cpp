#include "torch/reports.hpp"

#include <algorithm>

namespace cdc {

void Reports::add(const std::string& name, const at::Tensor& value) {
  auto it = std::find_if(all_.begin(), all_.end(), [&](const Report& r) { return r.name == name; });
  if (it == all_.end()) it = all_.insert(all_.end(), Report{name, 0, 0, {}});
  if (value.is_cpu()) {
    it->sum += value.item<double>();
    ++it->count;
  } else {
    it->pending.push_back(value.detach());
  }
}

void Reports::read_pending() {
  for (Report& r : all_) {
    for (const at::Tensor& t : r.pending) r.sum += t.item<double>();
    r.count += static_cast<std::int64_t>(r.pending.size());
    r.pending.clear();
  }
}

std::vector<std::pair<std::string, double>> Reports::means() {
  read_pending();
  std::vector<std::pair<std::string, double>> means;
  for (const Report& r : all_) means.emplace_back(r.name, r.count > 0 ? r.sum / static_cast<double>(r.count) : 0.0);
  return means;
}

Value Reports::state() {
  read_pending();
  Value table = Value::table();
  for (const Report& r : all_) {
    Value& one = table[r.name];
    one.push_back(r.sum);
    one.push_back(r.count);
  }
  return table;
}

void Reports::restore(const Value& state) {
  all_.clear();
  for (const auto& [name, one] : state.as_table()) all_.push_back({name, one.as_array().at(0).as_real(), one.as_array().at(1).as_integer(), {}});
}

}  // namespace cdc
