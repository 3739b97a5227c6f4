#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "artifact/array_file.hpp"

// What torch.save() pickles, read as data. Python's pickles are programs that call what they name; here a call of what is not known stays a name.
namespace cdc::pickle {

enum class Kind { none, boolean, integer, real, string, list, tuple, dictionary, global, storage, tensor, object };

struct Object {
  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< boolean, integer; of a storage and a tensor the index in Contents
  std::string_view text;     ///< of a string, in the pickle's bytes; of a global and of an object that it would make: "module.name", in Contents
  std::vector<std::size_t> items;  ///< of a list, a tuple; of a dictionary key, value, key, value, ...: indices in Contents::objects
};

struct Storage {
  std::string_view key;  ///< in the pickle's bytes
  ElementType type = ElementType::float32;
  std::int64_t elements = 0;
};

/// A view of a storage, checked to lie inside it; none of shape and strides is negative.
struct Tensor {
  std::size_t storage = 0;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape, strides;
};

/// Texts are where they were read, or kept once: many objects of one long name take no memory of their own. Valid as long as the pickle's bytes.
struct Contents {
  std::unordered_set<std::string> globals;
  std::vector<Object> objects;
  std::vector<Storage> storages;
  std::vector<Tensor> tensors;
  std::size_t root = 0;
  std::size_t size = 0;  ///< bytes of the pickle
  /// A dictionary's value of this name; nullptr where there is none.
  const Object* find(const Object& dictionary, std::string_view name) const;
};

/// Reads the pickle that `bytes` begins with: protocol 2 as far as torch.save() uses it (https://docs.python.org/3/library/pickletools.html). Of
/// globals it knows collections.OrderedDict, torch's storages, torch._utils._rebuild_tensor, _rebuild_tensor_v2 and _rebuild_parameter. cdc::Error
/// where it is damaged, cut off, or uses what such pickles do not. For storages see Contents: their bytes lie elsewhere.
Contents read(std::string_view bytes);

}  // namespace cdc::pickle
