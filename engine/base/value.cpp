#include "cdc/value.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cdc/error.hpp"

namespace cdc {
namespace {

// A Value's destructor recurses, so a hostile text must not decide how deep.
constexpr std::size_t kMaximumDepth = 512;

[[noreturn]] void wrong_type(Value::Type wanted, Value::Type found) {
  throw Error(fmt::format("expected {}, found {}", Value::type_name(wanted), Value::type_name(found)));
}

/// "line 3, column 7" of a byte offset.
std::string position_of(std::string_view text, std::size_t offset) {
  std::size_t line = 1, column = 1;
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return fmt::format("line {}, column {}", line, column);
}

/// Characters for nlohmann's lexer that tell how far it has read: its callbacks carry no position.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  CountingIterator(const char* at, const char** seen) : at_(at), seen_(seen) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    *seen_ = at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** seen_;
};

/// Builds a Value from nlohmann's parser, which does not recurse either.
class Builder {
 public:
  Builder(std::string_view text, const char* const* seen) : text_(text), seen_(seen) {}

  bool null() { return add({}); }
  bool boolean(bool v) { return add(v); }
  bool number_integer(std::int64_t v) { return add(v); }
  bool number_unsigned(std::uint64_t v) {
    if (v > static_cast<std::uint64_t>(INT64_MAX)) fail(fmt::format("the integer {} does not fit 64 bits with a sign", v));
    return add(static_cast<std::int64_t>(v));
  }
  bool number_float(double v, const std::string& digits) {
    // nlohmann falls back to a double where an integer is too long.
    if (digits.find_first_of(".eE") == std::string::npos)
      fail(fmt::format("the integer {} does not fit 64 bits with a sign", digits));
    return add(v);
  }
  bool string(std::string& v) { return add(std::move(v)); }
  bool binary(std::vector<std::uint8_t>&) { fail("binary data are not JSON"); }
  bool start_object(std::size_t) { return open(Value::table()); }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) fail(fmt::format("the key '{}' is given twice in one table", name));
    stack_.back().as_table().emplace_back(std::move(name), Value());
    return true;
  }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(Value::array()); }
  bool end_array() { return close(); }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string& /*token*/, const Exception& e) {
    std::string what = e.what();
    // "[json.exception...] parse error at line 1, column 2: REASON": the position is said in our own words.
    if (const std::size_t bracket = what.find("] "); bracket != std::string::npos) what.erase(0, bracket + 2);
    if (what.rfind("parse error at line", 0) == 0) what.erase(0, what.find(": ") + 2);
    throw Error(fmt::format("not JSON at {}: {}", position_of(text_, position == 0 ? 0 : position - 1), what));
  }

  Value take() { return std::move(root_); }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const auto offset = static_cast<std::size_t>(*seen_ - text_.data());
    throw Error(fmt::format("not JSON at {}: {}", position_of(text_, offset == 0 ? 0 : offset - 1), what));
  }
  bool add(Value v) {
    if (stack_.empty()) {
      root_ = std::move(v);
    } else if (stack_.back().is_array()) {
      stack_.back().as_array().push_back(std::move(v));
    } else {
      stack_.back().as_table().back().second = std::move(v);
    }
    return true;
  }
  bool open(Value container) {
    if (stack_.size() >= kMaximumDepth) fail(fmt::format("nested deeper than {} levels", kMaximumDepth));
    stack_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Value done = std::move(stack_.back());
    stack_.pop_back();
    keys_.pop_back();
    return add(std::move(done));
  }

  std::string_view text_;
  const char* const* seen_;
  Value root_;
  std::vector<Value> stack_;
  std::vector<std::unordered_set<std::string>> keys_;
};

void append_string(std::string& out, const std::string& s) {
  // Bytes that are not UTF-8 (an odd file name) become U+FFFD: a report is better than none.
  out += nlohmann::json(s).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_real(std::string& out, double v) {
  if (!std::isfinite(v)) {
    out += "null";
    return;
  }
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v).ptr;
  const std::string_view shortest(digits.data(), static_cast<std::size_t>(end - digits.data()));
  out += shortest;
  if (shortest.find_first_of(".e") == std::string_view::npos) out += ".0";  // else it would come back as an integer
}

void append_break(std::string& out, int indent, int depth) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(depth), ' ');
}

void append_json(std::string& out, const Value& v, int indent, int depth) {
  switch (v.type()) {
    case Value::Type::null:
      out += "null";
      break;
    case Value::Type::boolean:
      out += v.as_boolean() ? "true" : "false";
      break;
    case Value::Type::integer:
      out += std::to_string(v.as_integer());
      break;
    case Value::Type::real:
      append_real(out, v.as_real());
      break;
    case Value::Type::string:
      append_string(out, v.as_string());
      break;
    case Value::Type::array: {
      const Value::Array& all = v.as_array();
      out += '[';
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) out += ',';
        append_break(out, indent, depth + 1);
        append_json(out, all[i], indent, depth + 1);
      }
      if (!all.empty()) append_break(out, indent, depth);
      out += ']';
      break;
    }
    case Value::Type::table: {
      const Value::Table& all = v.as_table();
      out += '{';
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) out += ',';
        append_break(out, indent, depth + 1);
        append_string(out, all[i].first);
        out += indent < 0 ? ":" : ": ";
        append_json(out, all[i].second, indent, depth + 1);
      }
      if (!all.empty()) append_break(out, indent, depth);
      out += '}';
      break;
    }
  }
}

}  // namespace

const char* Value::type_name(Type type) {
  switch (type) {
    case Type::null:
      return "null";
    case Type::boolean:
      return "boolean";
    case Type::integer:
      return "integer";
    case Type::real:
      return "real";
    case Type::string:
      return "string";
    case Type::array:
      return "array";
    case Type::table:
      return "table";
  }
  return "unknown";
}

bool Value::as_boolean() const {
  if (!is_boolean()) wrong_type(Type::boolean, type());
  return std::get<bool>(data_);
}

std::int64_t Value::as_integer() const {
  if (!is_integer()) wrong_type(Type::integer, type());
  return std::get<std::int64_t>(data_);
}

double Value::as_real() const {
  if (is_integer()) return static_cast<double>(std::get<std::int64_t>(data_));
  if (!is_real()) wrong_type(Type::real, type());
  return std::get<double>(data_);
}

const std::string& Value::as_string() const {
  if (!is_string()) wrong_type(Type::string, type());
  return std::get<std::string>(data_);
}

const Value::Array& Value::as_array() const {
  if (!is_array()) wrong_type(Type::array, type());
  return std::get<Array>(data_);
}

Value::Array& Value::as_array() {
  if (!is_array()) wrong_type(Type::array, type());
  return std::get<Array>(data_);
}

const Value::Table& Value::as_table() const {
  if (!is_table()) wrong_type(Type::table, type());
  return std::get<Table>(data_);
}

Value::Table& Value::as_table() {
  if (!is_table()) wrong_type(Type::table, type());
  return std::get<Table>(data_);
}

const Value* Value::find(std::string_view key) const {
  if (!is_table()) return nullptr;
  for (const auto& [name, value] : std::get<Table>(data_))
    if (name == key) return &value;
  return nullptr;
}

Value* Value::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

Value& Value::operator[](std::string_view key) {
  if (is_null()) data_ = Table{};
  if (Value* present = find(key)) return *present;
  return as_table().emplace_back(std::string(key), Value()).second;
}

const Value& Value::at(std::string_view key) const {
  if (const Value* present = find(key)) return *present;
  as_table();
  throw Error(fmt::format("the table has no entry '{}'", key));
}

void Value::push_back(Value v) {
  if (is_null()) data_ = Array{};
  as_array().push_back(std::move(v));
}

std::string Value::to_json(int indent) const {
  std::string out;
  append_json(out, *this, indent, 0);
  return out;
}

Value Value::from_json(std::string_view text) {
  const char* seen = text.data();
  Builder builder(text, &seen);
  const char* end = text.data() + text.size();
  nlohmann::json::sax_parse(CountingIterator(text.data(), &seen), CountingIterator(end, &seen), &builder);
  return builder.take();
}

}  // namespace cdc
