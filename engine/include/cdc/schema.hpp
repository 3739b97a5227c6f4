#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cdc/component.hpp"

namespace cdc {

namespace detail {

/// cdc::Error where the value does not fit an int.
CDC_API int to_int(std::int64_t value);

template <class M>
struct ParameterTraits;
template <>
struct ParameterTraits<bool> {
  static constexpr ParameterType kType = ParameterType::boolean;
  static bool get(const Value& v) { return v.as_boolean(); }
};
template <>
struct ParameterTraits<std::int64_t> {
  static constexpr ParameterType kType = ParameterType::integer;
  static std::int64_t get(const Value& v) { return v.as_integer(); }
};
template <>
struct ParameterTraits<int> {
  static constexpr ParameterType kType = ParameterType::integer;
  static int get(const Value& v) { return to_int(v.as_integer()); }
};
template <>
struct ParameterTraits<double> {
  static constexpr ParameterType kType = ParameterType::real;
  static double get(const Value& v) { return v.as_real(); }
};
template <>
struct ParameterTraits<std::string> {
  static constexpr ParameterType kType = ParameterType::string;
  static std::string get(const Value& v) { return v.as_string(); }
};
template <class E>
struct ParameterTraits<std::vector<E>> {
  static constexpr ParameterType kType = std::is_same_v<E, std::string>  ? ParameterType::strings
                                         : std::is_same_v<E, double>     ? ParameterType::reals
                                                                         : ParameterType::integers;
  static std::vector<E> get(const Value& v) {
    std::vector<E> out;
    for (const Value& e : v.as_array()) out.push_back(ParameterTraits<E>::get(e));
    return out;
  }
};

template <class M>
Value to_value(const M& m) {
  return Value(m);
}
template <class E>
Value to_value(const std::vector<E>& m) {
  Value out = Value::array();
  for (const E& e : m) out.push_back(to_value(e));
  return out;
}

CDC_API std::vector<std::string> split_sizes(const char* sizes);

}  // namespace detail

/// Refines a parameter just declared. Limits are included.
class ParameterBuilder {
 public:
  ParameterBuilder(ComponentInfo& info, std::size_t index) : info_(info), index_(index) {}
  ParameterBuilder& range(double minimum, double maximum) {
    it().minimum = minimum;
    it().maximum = maximum;
    return *this;
  }
  ParameterBuilder& at_least(double minimum) {
    it().minimum = minimum;
    return *this;
  }
  ParameterBuilder& choices(std::vector<std::string> names) {
    it().choices = std::move(names);
    return *this;
  }
  /// Of a list: its number of elements.
  ParameterBuilder& length(std::size_t minimum, std::size_t maximum) {
    it().minimum_length = minimum;
    it().maximum_length = maximum;
    return *this;
  }
  /// Has no default: the file must give it.
  ParameterBuilder& required() {
    it().required = true;
    it().default_value = Value();
    return *this;
  }
  /// Changes how a stage goes about its work, not what comes out: not part of its key.
  ParameterBuilder& no_effect_on_result() {
    it().affects_result = false;
    return *this;
  }

 private:
  ParameterInfo& it() { return info_.parameters[index_]; }
  ComponentInfo& info_;
  std::size_t index_;
};

/// What a component says of itself, once: filled by its `static void describe(cdc::Schema<T>&)`.
template <class T>
class Schema {
 public:
  explicit Schema(ComponentInfo& info) : info_(info) {}

  Schema& summary(std::string text) {
    info_.summary = std::move(text);
    return *this;
  }
  Schema& version(int number) {
    info_.version = number;
    return *this;
  }

  /// A parameter kept in a member (bool, int, std::int64_t, double, std::string or a vector of the last four); its default is the member's.
  template <class M, class Base>
  ParameterBuilder param(M Base::*member, std::string name, std::string doc) {
    using Traits = detail::ParameterTraits<M>;
    ParameterInfo p;
    p.name = std::move(name);
    p.doc = std::move(doc);
    p.type = Traits::kType;
    p.default_value = detail::to_value(defaults_.*member);
    p.set = [member](Component& c, const Value& v) { static_cast<T&>(c).*member = Traits::get(v); };
    members_.emplace_back(p.name, offset_of(member));
    return add(std::move(p));
  }

  /// A part that is a plugin itself: `name = { plugin = "optimizer.sgd", lr = 0.06 }`. The member is a std::shared_ptr to its base class.
  template <class Part, class Base>
  ParameterBuilder component(std::shared_ptr<Part> Base::*member, std::string name, std::string doc) {
    ParameterInfo p;
    p.name = std::move(name);
    p.doc = std::move(doc);
    p.type = ParameterType::component;
    p.component_kind = Part::kKind;
    p.set_component = [member](Component& c, std::shared_ptr<Component> part) {
      static_cast<T&>(c).*member = std::dynamic_pointer_cast<Part>(std::move(part));
    };
    return add(std::move(p));
  }

  /// Of a stage: an output port of a node of its graph, "node" or "node.port". With `graph_of`, of the graph that made that input's model.
  /// An empty default means none.
  template <class Base>
  ParameterBuilder port(std::string Base::*member, std::string name, std::string doc, std::optional<PortType> type, std::string graph_of = "") {
    ParameterBuilder b = param(member, std::move(name), std::move(doc));
    ParameterInfo& p = info_.parameters.back();
    p.type = ParameterType::port;
    p.port_type = type;
    p.graph_of = std::move(graph_of);
    return b;
  }

  template <class P>
  Schema& input(const In<P>& port) {
    info_.inputs.push_back({port.name, port.doc, PortTraits<P>::kType, detail::split_sizes(port.sizes), port.optional, port.list, nullptr, ""});
    return *this;
  }
  template <class P>
  Schema& output(const Out<P>& port) {
    info_.outputs.push_back({port.name, port.doc, PortTraits<P>::kType, detail::split_sizes(port.sizes), false, false, nullptr, ""});
    return *this;
  }
  /// An output that is there only where `present` says so; `absent` tells the user what to set, e.g. "set prediction = \"NODE\"".
  template <class P, class F>
  Schema& output_if(const Out<P>& port, F present, std::string absent) {
    output(port);
    info_.outputs.back().present = [present](const Component& c) { return present(static_cast<const T&>(c)); };
    info_.outputs.back().absent = std::move(absent);
    return *this;
  }

  /// This component fixes the size called `symbol`: by a parameter's member (declared before), ...
  template <class M, class Base>
  Schema& size(std::string symbol, M Base::*member) {
    std::string parameter;
    for (const auto& [candidate, offset] : members_)
      if (offset == offset_of(member)) parameter = candidate;
    info_.sizes.push_back({std::move(symbol), std::move(parameter),
                           [member](const Component& c) { return static_cast<std::int64_t>(static_cast<const T&>(c).*member); }});
    return *this;
  }
  /// ... or by what `value(const T&)` computes of its parameters; 0 = not known yet.
  template <class F, class = std::enable_if_t<std::is_invocable_v<F, const T&>>, class = std::enable_if_t<!std::is_member_pointer_v<F>>>
  Schema& size(std::string symbol, F value) {
    info_.sizes.push_back({std::move(symbol), "", [value](const Component& c) { return static_cast<std::int64_t>(value(static_cast<const T&>(c))); }});
    return *this;
  }

  /// A tensor member that training changes by gradient.
  template <class Tensor, class Base>
  Schema& parameter_state(Tensor Base::*member, std::string name) {
    return add_state(member, std::move(name), true);
  }
  /// A tensor member that is kept beside the parameters: checkpointed, moved between devices, resumed.
  template <class Tensor, class Base>
  Schema& state(Tensor Base::*member, std::string name) {
    return add_state(member, std::move(name), false);
  }

  Schema& graph() {
    info_.has_graph = true;
    return *this;
  }
  Schema& uncached() {
    info_.cached = false;
    return *this;
  }
  /// Of a stage: draws no random numbers, so that one cached result serves every seed.
  Schema& unseeded() {
    info_.seeded = false;
    return *this;
  }
  /// Of a stage that scores: the input whose sources it scores, each under the name of its stage, and the names of all numbers that it may give of each.
  template <class P>
  Schema& scores(const In<P>& scored, std::vector<std::string> names) {
    info_.scored = scored.name;
    info_.scores = std::move(names);
    return *this;
  }
  Schema& full_precision() {
    info_.full_precision = true;
    return *this;
  }
  Schema& no_gradient() {
    info_.no_gradient = true;
    return *this;
  }

  ComponentInfo& info() { return info_; }

 private:
  template <class M, class Base>
  std::ptrdiff_t offset_of(M Base::*member) const {
    return reinterpret_cast<const char*>(&(defaults_.*member)) - reinterpret_cast<const char*>(&defaults_);
  }
  ParameterBuilder add(ParameterInfo p) {
    info_.parameters.push_back(std::move(p));
    return {info_, info_.parameters.size() - 1};
  }
  template <class Tensor, class Base>
  Schema& add_state(Tensor Base::*member, std::string name, bool trainable) {
    info_.states.push_back({std::move(name), trainable, [member](Component& c) -> at::Tensor& { return static_cast<T&>(c).*member; }});
    return *this;
  }

  ComponentInfo& info_;
  T defaults_{};
  std::vector<std::pair<std::string, std::ptrdiff_t>> members_;
};

}  // namespace cdc
