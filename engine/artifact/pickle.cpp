#include "artifact/pickle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include "artifact/weights_detail.hpp"
#include "cdc/error.hpp"

namespace cdc::pickle {
namespace {

// Far beyond any network's state: a hostile file must not decide how much memory is taken.
constexpr std::size_t kMostObjects = 1'000'000;
constexpr std::size_t kMostDimensions = 16;
constexpr std::size_t kLongestName = 1000;

[[noreturn]] void damaged(const char* what) { weights::damaged(fmt::format("its pickle: {}", what)); }

std::optional<ElementType> storage_type(std::string_view name) {
  static constexpr std::pair<std::string_view, ElementType> kTypes[] = {
      {"torch.BoolStorage", ElementType::boolean},   {"torch.ByteStorage", ElementType::uint8},        {"torch.CharStorage", ElementType::int8},
      {"torch.ShortStorage", ElementType::int16},    {"torch.IntStorage", ElementType::int32},         {"torch.LongStorage", ElementType::int64},
      {"torch.HalfStorage", ElementType::float16},   {"torch.BFloat16Storage", ElementType::bfloat16}, {"torch.FloatStorage", ElementType::float32},
      {"torch.DoubleStorage", ElementType::float64},
  };
  for (const auto& [known, type] : kTypes)
    if (known == name) return type;
  return std::nullopt;
}

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

[[noreturn]] void too_many() { throw Error(fmt::format("its pickle holds more than {} objects: no network's state does", kMostObjects)); }

/// Python's stack machine for pickles.
class Machine {
 public:
  explicit Machine(std::string_view bytes) : bytes_(bytes) {}

  Contents run() {
    if (next() != 0x80) damaged("it does not begin with its protocol");
    if (const int protocol = next(); protocol != 2)
      throw Error(fmt::format(
          "its pickle is of protocol {}, torch.save() writes 2 unless told otherwise; save it anew in Python without pickle_protocol", protocol));
    while (step()) {
    }
    contents_.size = at_;
    return std::move(contents_);
  }

 private:
  using Index = std::size_t;

  // ---- bytes
  unsigned char next() { return static_cast<unsigned char>(take(1)[0]); }
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) damaged("it ends early");
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  template <class T>
  T number() {
    T value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos || end - at_ > kLongestName) damaged("a global's name");
    const std::string_view part = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return part;
  }

  // ---- objects and the stack
  Object& object(Index i) { return contents_.objects[i]; }
  void push(Object one) {
    if (contents_.objects.size() >= kMostObjects) too_many();
    stack_.push_back(contents_.objects.size());
    contents_.objects.push_back(std::move(one));
  }
  void push(Kind kind, std::int64_t integer = 0) { push({kind, integer, {}, {}}); }
  void push_text(Kind kind, std::string_view text) { push({kind, 0, text, {}}); }
  void push_items(Kind kind, std::vector<Index> items) { push({kind, 0, {}, std::move(items)}); }
  /// What stands above the last mark: that may not be taken one by one.
  std::size_t above_mark() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  Index top() const {
    if (above_mark() == 0) damaged("its stack is empty");
    return stack_.back();
  }
  Index pop() {
    const Index last = top();
    stack_.pop_back();
    return last;
  }
  std::vector<Index> pop_to_mark() {
    if (marks_.empty()) damaged("a mark is missing");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Index> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<Index> pop_few(std::size_t count) {
    std::vector<Index> items(count);
    while (count > 0) items[--count] = pop();
    return items;
  }
  /// Adds to the list or dictionary on top; what is added to an unknown object is as unknown as it is.
  void add_items(Kind kind, const std::vector<Index>& items) {
    Object& to = object(top());
    if (kind == Kind::dictionary && items.size() % 2 != 0) damaged("a key without a value");
    if (to.kind == kind)
      to.items.insert(to.items.end(), items.begin(), items.end());
    else if (to.kind != Kind::object)
      damaged("items of what is no list or dictionary");
  }

  // ---- calls
  void call(Index callee, Index arguments) {
    if (object(arguments).kind != Kind::tuple) damaged("a call without arguments");
    const Kind kind = object(callee).kind;
    const std::string_view name = kind == Kind::global || kind == Kind::object ? object(callee).text : "a call of what is no function";
    const std::vector<Index>& given = object(arguments).items;
    if (kind == Kind::global) {
      if (name == "collections.OrderedDict") return ordered_dictionary(given);
      if ((name == "torch._utils._rebuild_tensor_v2" || name == "torch._utils._rebuild_tensor") && given.size() >= 4 &&
          object(given[0]).kind == Kind::storage)
        return tensor(given);
      if (name == "torch._utils._rebuild_parameter" && !given.empty() && object(given[0]).kind == Kind::tensor) return stack_.push_back(given[0]);
    }
    push_text(Kind::object, type_of_numbers(name, given).value_or(name));
  }
  /// Of a tensor of numbers that are not read here their type: "torch.ComplexFloatStorage", "torch.float8_e4m3fn".
  std::optional<std::string_view> type_of_numbers(std::string_view callee, const std::vector<Index>& given) {
    constexpr std::size_t kType = 6;  // argument of _rebuild_tensor_v3
    if (!starts_with(callee, "torch._utils._rebuild") || given.empty() || object(given[0]).kind != Kind::object) return std::nullopt;
    const Object& typed = object(given.size() > kType && object(given[kType]).kind == Kind::global ? given[kType] : given[0]);
    return starts_with(typed.text, "torch.") ? std::optional(typed.text) : std::nullopt;
  }
  /// Empty, or of a list of pairs, as Python 2 wrote it.
  void ordered_dictionary(const std::vector<Index>& arguments) {
    std::vector<Index> items;
    if (!arguments.empty())
      for (const Index pair : object(arguments[0]).items) {
        const Object& one = object(pair);
        if ((one.kind != Kind::list && one.kind != Kind::tuple) || one.items.size() != 2) damaged("an OrderedDict's items");
        items.insert(items.end(), one.items.begin(), one.items.end());
      }
    copied_ += items.size();
    if (copied_ > kMostObjects) too_many();
    push_items(Kind::dictionary, std::move(items));
  }
  std::int64_t integer(Index i) {
    if (object(i).kind != Kind::integer) damaged("a tensor's sizes");
    return object(i).integer;
  }
  std::vector<std::int64_t> integers(Index i) {
    if (object(i).kind != Kind::tuple || object(i).items.size() > kMostDimensions) damaged("a tensor's sizes");
    std::vector<std::int64_t> all;
    for (const Index item : object(i).items) all.push_back(integer(item));
    return all;
  }
  /// storage, offset, shape, strides; what follows (gradients, hooks) says nothing of the numbers.
  void tensor(const std::vector<Index>& arguments) {
    Tensor made;
    made.storage = static_cast<std::size_t>(object(arguments[0]).integer);
    made.offset = integer(arguments[1]);
    made.shape = integers(arguments[2]);
    made.strides = integers(arguments[3]);
    const Storage& storage = contents_.storages[made.storage];
    const std::int64_t elements = weights::elements_of(made.shape, storage.type);
    if (elements < 0 || made.strides.size() != made.shape.size() || made.offset < 0) damaged("a tensor's sizes");
    std::int64_t last = made.offset;  // the farthest element
    for (std::size_t d = 0; d < made.shape.size(); ++d) {
      std::int64_t reach = 0;
      if (made.strides[d] < 0) damaged("a tensor's strides");
      if (elements > 0 && (__builtin_mul_overflow(made.shape[d] - 1, made.strides[d], &reach) || __builtin_add_overflow(last, reach, &last)))
        damaged("a tensor's strides");
    }
    if (elements > 0 ? last >= storage.elements : made.offset > storage.elements) damaged("a tensor reaches beyond its storage");
    contents_.tensors.push_back(std::move(made));
    push(Kind::tensor, static_cast<std::int64_t>(contents_.tensors.size()) - 1);
  }
  /// ("storage", type, key, device, elements[, view]): what PyTorch keeps outside of the pickle. Also ("module", class, ...), beside a pickled
  /// network.
  void persistent() {
    const Index id = pop();
    const std::size_t parts = object(id).items.size();
    const auto part = [&](std::size_t i) -> const Object& { return object(object(id).items[i]); };
    if (object(id).kind != Kind::tuple || parts < 2 || part(0).kind != Kind::string) damaged("what it says of a storage");
    if (part(0).text != "storage") return stack_.push_back(object(id).items[1]);
    if (parts < 5 || part(1).kind != Kind::global || part(2).kind != Kind::string || part(2).text.size() > kLongestName ||
        part(4).kind != Kind::integer)
      damaged("what it says of a storage");
    if (parts > 5 && part(5).kind != Kind::none)
      throw Error("its storages are views of each other, as PyTorch before 0.4 wrote them; load it there and save it anew");
    const std::optional<ElementType> type = storage_type(part(1).text);
    if (!type) return push_text(Kind::object, part(1).text);
    const Storage storage{part(2).text, *type, part(4).integer};
    if (weights::elements_of({storage.elements}, *type) < 0) damaged("a storage's size");
    const auto [known, is_new] = by_key_.emplace(storage.key, contents_.storages.size());
    if (is_new) {
      contents_.storages.push_back(storage);
    } else if (const Storage& before = contents_.storages[known->second]; before.type != *type || before.elements != storage.elements) {
      damaged("a storage of two types or sizes");
    }
    push(Kind::storage, static_cast<std::int64_t>(known->second));
  }

  bool step();
  bool number_step(unsigned char code);
  void long_number(std::size_t size);

  std::string_view bytes_;
  std::size_t at_ = 0;
  Contents contents_;
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack
  std::unordered_map<std::uint32_t, Index> memo_;
  std::unordered_map<std::string_view, std::size_t> by_key_;
  std::size_t copied_ = 0;  ///< items that one instruction took from another object
};

/// Little endian with a sign; of one that does not fit 64 bits nothing here asks.
void Machine::long_number(std::size_t size) {
  const std::string_view digits = take(size);
  if (size > 8) return push(Kind::real);
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
  if (size > 0 && size < 8 && (static_cast<unsigned char>(digits.back()) & 0x80) != 0) value |= ~std::uint64_t{0} << (8 * size);
  push(Kind::integer, static_cast<std::int64_t>(value));
}

bool Machine::number_step(unsigned char code) {
  switch (code) {
    case 'N':  // NONE
      push(Kind::none);
      return true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push(Kind::boolean, code == 0x88);
      return true;
    case 'J':  // BININT
      push(Kind::integer, number<std::int32_t>());
      return true;
    case 'K':  // BININT1
      push(Kind::integer, next());
      return true;
    case 'M':  // BININT2
      push(Kind::integer, number<std::uint16_t>());
      return true;
    case 0x8a:  // LONG1
      long_number(next());
      return true;
    case 'G':  // BINFLOAT
      take(8);
      push(Kind::real);
      return true;
    case 'U':  // SHORT_BINSTRING, of Python 2
      push_text(Kind::string, take(next()));
      return true;
    case 'T':  // BINSTRING, of Python 2
    case 'X':  // BINUNICODE
      push_text(Kind::string, take(number<std::uint32_t>()));
      return true;
    default:
      return false;
  }
}

/// One instruction; false after the last.
bool Machine::step() {
  const unsigned char code = next();
  switch (code) {
    case '.':  // STOP
      if (!marks_.empty() || stack_.size() != 1) damaged("it ends with more than one object");
      contents_.root = stack_[0];
      return false;
    case '(':  // MARK
      marks_.push_back(stack_.size());
      break;
    case ']':  // EMPTY_LIST
      push(Kind::list);
      break;
    case '}':  // EMPTY_DICT
      push(Kind::dictionary);
      break;
    case ')':  // EMPTY_TUPLE
      push(Kind::tuple);
      break;
    case 't':  // TUPLE
      push_items(Kind::tuple, pop_to_mark());
      break;
    case 0x85:  // TUPLE1 to TUPLE3
    case 0x86:
    case 0x87:
      push_items(Kind::tuple, pop_few(static_cast<std::size_t>(code) - 0x84));
      break;
    case 'a':  // APPEND
      add_items(Kind::list, pop_few(1));
      break;
    case 'e':  // APPENDS
      add_items(Kind::list, pop_to_mark());
      break;
    case 's':  // SETITEM
      add_items(Kind::dictionary, pop_few(2));
      break;
    case 'u':  // SETITEMS
      add_items(Kind::dictionary, pop_to_mark());
      break;
    case 'c': {  // GLOBAL
      const std::string module(line());
      push_text(Kind::global, *contents_.globals.insert(module + "." + std::string(line())).first);
      break;
    }
    case 'R':     // REDUCE
    case 0x81: {  // NEWOBJ
      const Index arguments = pop();
      call(pop(), arguments);
      break;
    }
    case 'b':  // BUILD: attributes, such as a state's _metadata, say nothing of its tensors
      pop();
      top();
      break;
    case 'Q':  // BINPERSID
      persistent();
      break;
    case 'q':  // BINPUT
      memo_[next()] = top();
      break;
    case 'r':  // LONG_BINPUT
      memo_[number<std::uint32_t>()] = top();
      break;
    case 'h':    // BINGET
    case 'j': {  // LONG_BINGET
      const auto found = memo_.find(code == 'h' ? next() : number<std::uint32_t>());
      if (found == memo_.end()) damaged("it names what it did not keep");
      stack_.push_back(found->second);
      break;
    }
    default:
      if (!number_step(code))
        throw Error(fmt::format(
            "its pickle is damaged, or was not written by torch.save() (instruction {:#04x}); get it anew, or save it anew in Python", code));
  }
  return true;
}

}  // namespace

const Object* Contents::find(const Object& dictionary, std::string_view name) const {
  if (dictionary.kind != Kind::dictionary) return nullptr;
  for (std::size_t i = 0; i + 1 < dictionary.items.size(); i += 2)
    if (const Object& key = objects[dictionary.items[i]]; key.kind == Kind::string && key.text == name) return &objects[dictionary.items[i + 1]];
  return nullptr;
}

Contents read(std::string_view bytes) { return Machine(bytes).run(); }

}  // namespace cdc::pickle
