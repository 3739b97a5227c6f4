#include "cdc/dataset.hpp"

#include <fmt/format.h>

#include "artifact/hash.hpp"
#include "cdc/augment.hpp"
#include "cdc/value.hpp"

namespace cdc {

// Destructors out of line: one home for each class's type information.
Dataset::~Dataset() = default;
Augment::~Augment() = default;

std::string Dataset::fingerprint() const {
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(size()));
  for (std::int64_t i = 0; i < size(); ++i) names.push_back(sample_name(i));
  if (names.empty()) return make_fingerprint(0, "", "", "");
  std::size_t common = names.front().rfind('/') + 1;  // 0 where there is none
  for (const std::string& name : names)
    while (common > 0 && name.compare(0, common, names.front(), 0, common) != 0) common = common < 2 ? 0 : names.front().rfind('/', common - 2) + 1;
  std::string contents;
  for (const std::string& name : names) contents.append(name, common).push_back('\0');
  return make_fingerprint(size(), names.front().substr(common), names.back().substr(common), contents);
}

std::string Dataset::make_fingerprint(std::int64_t samples, const std::string& first, const std::string& last, std::string_view contents) {
  const std::string text = fmt::format("{} images, {} to {} ({})", samples, first, last, hash_text(contents));
  return Value::from_json(Value(text).to_json()).as_string();  // as files hold it: an odd file name is no UTF-8
}

}  // namespace cdc
