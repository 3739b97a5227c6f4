#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cdc::zip {

struct Entry {
  std::string_view name, data;  ///< both in the archive's memory
  std::uint32_t crc = 0;
  bool compressed = false, encrypted = false;
};

/// The entries of a zip archive whose files are stored as they are, as torch.save() does, so that they can be used where they lie: no library of ours
/// gives that, and inflating is not needed. zip64 too. cdc::Error where it is damaged.
std::vector<Entry> entries(std::string_view archive);

/// An entry's file. cdc::Error where it is compressed or encrypted, or has not the checksum that the archive gives. PyTorch can be told to write none
/// (0): then nothing is checked.
std::string_view contents(const Entry& entry);

}  // namespace cdc::zip
