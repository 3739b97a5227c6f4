#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>

#include "artifact/array_file.hpp"

namespace cdc::hdf5 {

/// HDF5 keeps global state: one caller at a time. While it is held, HDF5 prints nothing; failures are read with reason().
class Lock {
 public:
  Lock();

 private:
  std::unique_lock<std::mutex> lock_;
};

/// Why the last call failed, from HDF5's error stack: the system's message where there is one ("No space left on device"), else HDF5's own.
std::string reason();
/// The errno of it; 0 where HDF5 names none.
int reason_number();

/// An HDF5 identifier, closed at the end. Under the lock only.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(other.id_), close_(other.close_) { other.id_ = -1; }
  Handle& operator=(Handle&& other) noexcept {
    reset();
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() { reset(); }
  bool ok() const { return id_ >= 0; }
  hid_t id() const { return id_; }
  /// False where closing failed (the last flush).
  bool reset() {
    const hid_t id = id_;
    id_ = -1;
    return id < 0 || close_(id) >= 0;
  }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

/// The type of an element in file and memory (little endian machines).
Handle element_type(ElementType type);
/// A file access list: format with checksummed metadata, no file locks (files are never written in place).
Handle file_access();

}  // namespace cdc::hdf5
