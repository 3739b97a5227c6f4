#include "artifact/hdf5_handle.hpp"

#include <cstdlib>
#include <cstring>

namespace cdc::hdf5 {
namespace {

std::mutex& mutex() {
  static std::mutex one;
  return one;
}

struct Found {
  std::string system, own;
  int number = 0;
};

herr_t look(unsigned /*n*/, const H5E_error2_t* error, void* data) {
  auto& found = *static_cast<Found*>(data);
  const std::string text = error->desc == nullptr ? "" : error->desc;
  if (found.own.empty()) found.own = text;  // walked upwards: the first is where it happened
  if (const std::size_t at = text.find("errno = "); at != std::string::npos && found.number == 0) {
    found.number = std::atoi(text.c_str() + at + 8);
    found.system = std::strerror(found.number);
  }
  return 0;
}

Found last_failure() {
  Found found;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, &look, &found);
  return found;
}

}  // namespace

Lock::Lock() : lock_(mutex()) {
  // Before HDF5's first call: a file that could not be closed (full disk) makes HDF5's own clean-up at exit crash. Files here are closed one by one.
  static const herr_t no_clean_up_at_exit = H5dont_atexit();
  static_cast<void>(no_clean_up_at_exit);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::string reason() {
  const Found found = last_failure();
  return found.system.empty() ? "HDF5: " + found.own : found.system;
}

int reason_number() { return last_failure().number; }

Handle element_type(ElementType type) {
  switch (type) {
    case ElementType::boolean:
    case ElementType::uint8:
      return Handle(H5Tcopy(H5T_STD_U8LE), &H5Tclose);
    case ElementType::int8:
      return Handle(H5Tcopy(H5T_STD_I8LE), &H5Tclose);
    case ElementType::int16:
      return Handle(H5Tcopy(H5T_STD_I16LE), &H5Tclose);
    case ElementType::int32:
      return Handle(H5Tcopy(H5T_STD_I32LE), &H5Tclose);
    case ElementType::int64:
      return Handle(H5Tcopy(H5T_STD_I64LE), &H5Tclose);
    case ElementType::float16: {
      Handle half(H5Tcopy(H5T_IEEE_F32LE), &H5Tclose);
      H5Tset_fields(half.id(), 15, 10, 5, 0, 10);
      H5Tset_size(half.id(), 2);
      H5Tset_ebias(half.id(), 15);
      return half;
    }
    case ElementType::bfloat16:  // HDF5's tools have no name for it: its bits, as integers
      return Handle(H5Tcopy(H5T_STD_U16LE), &H5Tclose);
    case ElementType::float32:
      return Handle(H5Tcopy(H5T_IEEE_F32LE), &H5Tclose);
    case ElementType::float64:
      return Handle(H5Tcopy(H5T_IEEE_F64LE), &H5Tclose);
  }
  return {};
}

Handle file_access() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), &H5Pclose);
  H5Pset_libver_bounds(access.id(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG);
  H5Pset_file_locking(access.id(), false, true);
  H5Pset_alignment(access.id(), 512, 64);  // mapped arrays start on a cache line
  return access;
}

}  // namespace cdc::hdf5
