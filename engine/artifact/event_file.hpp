#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

/// CRC-32C (Castagnoli, RFC 3720 B.4), turned and shifted as TFRecord files keep it, so that a checksum of checksums stays one: rotated right by 15
/// bits, plus 0xa282ead8.
CDC_API std::uint32_t masked_crc32c(std::string_view data);

/// A record of a TFRecord file (tensorflow.org/tutorials/load_data/tfrecord): length (64 bits), its masked CRC, the data, its masked CRC;
/// little-endian.
CDC_API std::string tfrecord(std::string_view data);

/// A file of events as TensorBoard reads it: TFRecords of the protocol buffers message Event (tensorflow/core/util/event.proto), version
/// "brain.Event:2". Each event is in the file when the call returns, so that TensorBoard can follow; a kill cuts at most the last, which readers take
/// for not yet written. Needs one caller at a time. cdc::Error naming the file where it cannot be written.
class CDC_API EventFile {
 public:
  /// A new file in the folder, which is made where it is missing: events.out.tfevents.SECONDS.cdc.PID, whose name sorts behind those that are there,
  /// as TensorBoard expects of later files. Its first events make readers forget what they had of this folder. Then empties those that were there (of
  /// this class; others' stay): removed, they would keep TensorBoard's Python reader waiting for more of them for ever.
  explicit EventFile(const std::filesystem::path& folder);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;
  const std::filesystem::path& path() const { return path_; }
  static bool is_one(const std::string& name);  ///< whether a file of this name is of this class

  /// A session begins at step 0: readers forget all that they have read so far of this folder.
  void restart();
  /// Numbers of one step, by tag. Kept as float32.
  void scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);
  /// A picture: its PNG, height and width in pixels, 1 (grey) or 3 (RGB) channels.
  void image(std::int64_t step, const std::string& tag, int height, int width, int channels, std::string_view png);

 private:
  void write(const std::string& event);

  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace cdc
