#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

/// What the values of options must be, for all programs. CLI11 reads numbers as C does: 010 as 8, -5 as 2^64 - 5 where a number has no sign, and what
/// does not fit 64 bits as the nearest that does.
namespace cdc::program {

/// A check: a whole number from `low` to `high` in decimal digits, and nothing else.
CLI::Validator whole_number(std::int64_t low, std::int64_t high);
/// A transformation of a size, "500M", "20GB", "1.5GiB" (each letter a factor of 1024; without one: bytes), into the digits of its bytes.
CLI::Validator size_in_bytes();
/// A check: a name for a file or folder; neither empty (a variable of the shell that is not set) nor with a '~' that the shell left as it was.
CLI::Validator path_name();

/// The folder that CDC_CACHE names; empty where it names none. CLI::ValidationError where path_name() refuses it.
std::filesystem::path cache_of_environment();
/// That, else "cache".
std::filesystem::path default_cache();

}  // namespace cdc::program
