#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/export.hpp"

/// What a message says of names beside the one that is not there.
namespace cdc {

/// "; did you mean 'x'?" with the nearest candidate, empty where none is near enough to be meant (a third of the word's letters).
CDC_API std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "'a', 'b' and 'c'"; of a long list the first `most` and how many more there are.
CDC_API std::string quoted_list(const std::vector<std::string>& names, std::size_t most = 12);

/// "; there is 'a'", "; there are 'a' and 'b'"; empty where there are none.
CDC_API std::string there_are(const std::vector<std::string>& names);

}  // namespace cdc
