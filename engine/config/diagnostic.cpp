#include "config/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace cdc {
namespace {

std::vector<Diagnostic> sorted(std::vector<Diagnostic> all) {
  const auto before = [](const Diagnostic& a, const Diagnostic& b) { return a.where < b.where; };
  std::stable_sort(all.begin(), all.end(), before);
  const auto same = [&](const Diagnostic& a, const Diagnostic& b) { return !before(a, b) && !before(b, a) && a.message == b.message; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  return all;
}

std::string text_of(const std::vector<Diagnostic>& all) {
  std::string out;
  for (const Diagnostic& one : all) out += (out.empty() ? "" : "\n") + one.text();
  return out;
}

}  // namespace

std::string Location::text() const { return fmt::format("{}:{}:{}", file, line, column); }

std::string Diagnostic::text() const { return fmt::format("{}: error: {}", where.text(), message); }

ConfigError::ConfigError(std::vector<Diagnostic> all) : Error(text_of(sorted(all))), diagnostics_(sorted(std::move(all))) {}
ConfigError::~ConfigError() = default;

}  // namespace cdc
