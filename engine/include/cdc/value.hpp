#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

/// A parameter's value, a score, a line of metrics: what TOML and JSON share. Tables keep the order of insertion.
class CDC_API Value {
 public:
  using Array = std::vector<Value>;
  using Table = std::vector<std::pair<std::string, Value>>;
  enum class Type { null, boolean, integer, real, string, array, table };

  Value() = default;
  Value(bool v) : data_(v) {}
  Value(int v) : data_(std::int64_t{v}) {}
  Value(std::int64_t v) : data_(v) {}
  Value(std::size_t v) : data_(static_cast<std::int64_t>(v)) {}
  Value(double v) : data_(v) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(Array v) : data_(std::move(v)) {}
  Value(Table v) : data_(std::move(v)) {}
  static Value array() { return Value(Array{}); }
  static Value table() { return Value(Table{}); }

  Type type() const { return static_cast<Type>(data_.index()); }
  bool is_null() const { return type() == Type::null; }
  bool is_boolean() const { return type() == Type::boolean; }
  bool is_integer() const { return type() == Type::integer; }
  bool is_real() const { return type() == Type::real; }
  bool is_number() const { return is_integer() || is_real(); }
  bool is_string() const { return type() == Type::string; }
  bool is_array() const { return type() == Type::array; }
  bool is_table() const { return type() == Type::table; }

  /// The typed contents; cdc::Error naming both types where the type is another. `as_real` takes integers too.
  bool as_boolean() const;
  std::int64_t as_integer() const;
  double as_real() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Table& as_table() const;
  Table& as_table();

  /// A table's entry, nullptr where there is none (or where this is no table).
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  /// A table's entry, made where it is missing; a null value becomes a table.
  Value& operator[](std::string_view key);
  /// A table's entry; cdc::Error where it is missing.
  const Value& at(std::string_view key) const;
  void push_back(Value v);

  /// JSON text. Reals are printed so that reading them gives the same bits; NaN and infinities become null. indent < 0: one line.
  std::string to_json(int indent = -1) const;
  /// Reads JSON; cdc::Error with the position where it is not JSON.
  static Value from_json(std::string_view text);
  /// "integer", "string", ... as messages call it.
  static const char* type_name(Type type);

  friend bool operator==(const Value& a, const Value& b) { return a.data_ == b.data_; }
  friend bool operator!=(const Value& a, const Value& b) { return !(a == b); }

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Table> data_;
};

}  // namespace cdc
