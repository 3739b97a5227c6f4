#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "array_dataset.hpp"

namespace cdc::dataset {

/// How a record of a CIFAR file begins: CIFAR-10 one byte, the class; CIFAR-100 two, coarse and fine class.
struct CifarFormat {
  int label_bytes = 1;
  int label_at = 0;  ///< which of them counts
};

/// Reads CIFAR files, records of label bytes and 3072 bytes of planar 32 x 32 RGB, in parallel. cdc::Error naming the file that is missing, cut,
/// empty or has a label that class_names does not know. Which split each source belongs to is left to the caller.
ArrayContents read_cifar(const std::vector<std::filesystem::path>& files, const CifarFormat& format, std::vector<std::string> class_names);

}  // namespace cdc::dataset
