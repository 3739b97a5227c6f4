#include "common/arguments.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace cdc::program {
namespace {

/// Decimal digits with a sign or none, all of the text.
bool is_integer(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string path_problem(const std::string& text) {
  if (text.empty()) return "must be a path, found an empty text: a variable of the shell may not be set";
  if (text[0] == '~' && (text.size() == 1 || text[1] == '/'))
    return fmt::format("'{}' begins with a '~' that the shell left as it is: write $HOME{}", text, text.substr(1));
  return {};
}

/// 1024 to the power of what the unit says; 0 where it is none.
double factor_of(std::string_view unit) {
  constexpr std::string_view kPrefixes = "kmgtpe";
  if (!unit.empty() && unit.back() == 'b') unit.remove_suffix(1);
  if (unit.size() > 1 && unit.back() == 'i') unit.remove_suffix(1);
  if (unit.empty()) return 1;
  const std::size_t at = kPrefixes.find(unit[0]);
  return unit.size() > 1 || at == std::string_view::npos ? 0 : std::pow(1024.0, static_cast<double>(at + 1));
}

std::string to_bytes(std::string& text) {
  const std::string wrong = fmt::format("must be a size, as 500M, 20G or 1.5G, found '{}'", text);
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || std::isdigit(static_cast<unsigned char>(text[0])) == 0) return wrong;
  std::string unit(rest, end);
  while (!unit.empty() && unit[0] == ' ') unit.erase(0, 1);
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const double factor = factor_of(unit), bytes = number * factor;
  if (factor == 0) return wrong;
  if (!(bytes < 0x1p63)) return fmt::format("must be less than 8E, found '{}'", text);
  text = is_integer(std::string_view(text.data(), static_cast<std::size_t>(rest - text.data()))) && factor == 1
             ? text.substr(0, static_cast<std::size_t>(rest - text.data()))  // of these a double may not have all digits
             : fmt::format("{:.0f}", bytes);
  return {};
}

}  // namespace

CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  return {[low, high](std::string& text) -> std::string {
            std::int64_t number = 0;
            const char* const begin = text.data() + (!text.empty() && text[0] == '+' ? 1 : 0);
            const bool read = is_integer(text) && std::from_chars(begin, text.data() + text.size(), number).ec == std::errc();
            if (!read || number < low || number > high) return fmt::format("must be a whole number from {} to {}, found '{}'", low, high, text);
            text = std::to_string(number);  // CLI11 would take 010 for 8
            return {};
          },
          high == std::numeric_limits<std::int64_t>::max() ? fmt::format("[{} - 2^63-1]", low) : fmt::format("[{} - {}]", low, high)};
}

CLI::Validator size_in_bytes() { return {&to_bytes, "SIZE"}; }

CLI::Validator path_name() {
  return {[](std::string& text) { return path_problem(text); }, ""};
}

std::filesystem::path cache_of_environment() {
  const char* named = std::getenv("CDC_CACHE");
  if (named == nullptr || *named == '\0') return {};
  if (const std::string problem = path_problem(named); !problem.empty()) throw CLI::ValidationError("CDC_CACHE", problem);
  return named;
}

std::filesystem::path default_cache() {
  const std::filesystem::path named = cache_of_environment();
  return named.empty() ? "cache" : named;
}

}  // namespace cdc::program
