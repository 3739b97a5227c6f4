#include "plugin/abi.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>

#include "artifact/hash.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

/// A file's bytes, read through bounds checks alone: any file may be given.
class Bytes {
 public:
  explicit Bytes(const std::filesystem::path& path) : path_(path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) fail("is a folder, not a plugin library: name the .so file");
    std::ifstream in(path, std::ios::binary);
    if (!in) fail_to_read();
    in.seekg(0, std::ios::end);
    data_.resize(static_cast<std::size_t>(std::max<std::streamoff>(0, in.tellg())));
    in.seekg(0);
    if (!in.read(data_.data(), static_cast<std::streamsize>(data_.size()))) fail_to_read();
  }
  [[noreturn]] void fail(std::string_view what) const { throw PluginError(fmt::format("plugin library {} {}", path_.string(), what)); }
  [[noreturn]] void fail_to_read() const { fail("cannot be opened: check its name and that it may be read"); }
  [[noreturn]] void fail_short() const { fail("is cut short or damaged: build or copy it again"); }

  std::string_view range(std::uint64_t offset, std::uint64_t size) const {
    if (offset > data_.size() || size > data_.size() - offset) fail_short();
    return std::string_view(data_).substr(offset, size);
  }
  template <class T>
  T read(std::uint64_t offset) const {
    T out;
    std::memcpy(&out, range(offset, sizeof(T)).data(), sizeof(T));
    return out;
  }
  std::size_t size() const { return data_.size(); }

 private:
  std::filesystem::path path_;
  std::string data_;
};

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "say here which e_machine this processor's shared objects have"
#endif

Elf64_Ehdr read_header(const Bytes& file) {
  if (file.size() < EI_NIDENT || file.range(0, SELFMAG) != std::string_view(ELFMAG, SELFMAG))
    file.fail("is no shared object: remove it from the plugin folder, or build it as one (add_library(... MODULE ...))");
  const std::string_view identity = file.range(0, EI_NIDENT);
  if (identity[EI_CLASS] != ELFCLASS64 || identity[EI_DATA] != ELFDATA2LSB) file.fail("was built for another processor: rebuild it on this machine");
  const auto header = file.read<Elf64_Ehdr>(0);
  if (header.e_machine != kMachine) file.fail("was built for another processor: rebuild it on this machine");
  if (header.e_type != ET_DYN) file.fail("is an ELF file, but no shared object: link it with -shared (add_library(... MODULE ...))");
  return header;
}

std::string name_at(std::string_view names, std::uint32_t offset) {
  if (offset >= names.size()) return {};
  const std::string_view rest = names.substr(offset);
  return std::string(rest.substr(0, rest.find('\0')));
}

/// Tags lie in the section one after the other, with padding between them as the compiler likes it.
std::vector<AbiTag> tags_of(std::string_view section) {
  std::vector<AbiTag> tags;
  for (std::size_t at = 0; at + sizeof(kThisAbi.magic) + sizeof(std::uint32_t) <= section.size();) {
    if (section.compare(at, sizeof(kThisAbi.magic), kThisAbi.magic, sizeof(kThisAbi.magic)) != 0) {
      at += alignof(std::uint32_t);
      continue;
    }
    AbiTag tag{};
    std::uint32_t size = 0;
    std::memcpy(&size, section.data() + at + offsetof(AbiTag, size), sizeof(size));
    const std::size_t there = std::min<std::size_t>({size, sizeof(AbiTag), section.size() - at});
    std::memcpy(&tag, section.data() + at, there);
    tags.push_back(tag);
    at += std::max<std::size_t>(there, sizeof(kThisAbi.magic));
  }
  return tags;
}

}  // namespace

LibraryFile read_library(const std::filesystem::path& library) {
  const Bytes file(library);
  const Elf64_Ehdr header = read_header(file);
  LibraryFile out;
  std::string loaded;
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = file.read<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type == PT_LOAD) file.range(segment.p_offset, segment.p_filesz);
  }
  const auto section = [&](std::uint64_t i) { return file.read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr)); };
  if (header.e_shnum > 0) {
    const Elf64_Shdr names_header = section(header.e_shstrndx);
    const std::string_view names = file.range(names_header.sh_offset, names_header.sh_size);
    for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
      const Elf64_Shdr one = section(i);
      const std::string name = name_at(names, one.sh_name);
      if (one.sh_type != SHT_NOBITS && name == ".cdc_abi") {
        const std::vector<AbiTag> found = tags_of(file.range(one.sh_offset, one.sh_size));
        out.tags.insert(out.tags.end(), found.begin(), found.end());
      }
      if ((one.sh_flags & SHF_ALLOC) == 0 || one.sh_type == SHT_NOTE) continue;
      loaded += fmt::format("{}{}{} ", name, '\0', static_cast<std::uint64_t>(one.sh_size));
      if (one.sh_type != SHT_NOBITS) loaded += hash_text(file.range(one.sh_offset, one.sh_size));
    }
  }
  if (out.tags.empty())
    file.fail("is a shared object, but no plugin library: it has no CDC_PLUGIN(...). Remove it from the plugin folder, or add one and rebuild it");
  out.code = "code:" + hash_text(loaded);
  return out;
}

std::string abi_mismatch(const AbiTag& tag) {
  std::vector<std::string> built, here;
  const auto compare = [&](bool same, std::string theirs, std::string ours) {
    if (same) return;
    built.push_back(std::move(theirs));
    here.push_back(std::move(ours));
  };
  compare(tag.sdk_version == kThisAbi.sdk_version, fmt::format("SDK {}", tag.sdk_version), fmt::format("SDK {}", kThisAbi.sdk_version));
  // What follows means the same only within one SDK.
  if (built.empty()) {
    compare(tag.cplusplus == kThisAbi.cplusplus, fmt::format("C++ standard {}", tag.cplusplus), fmt::format("C++ standard {}", kThisAbi.cplusplus));
    compare(tag.cxx11_abi == kThisAbi.cxx11_abi, fmt::format("_GLIBCXX_USE_CXX11_ABI={}", tag.cxx11_abi),
            fmt::format("_GLIBCXX_USE_CXX11_ABI={}", kThisAbi.cxx11_abi));
    const auto torch = [](const AbiTag& t) { return fmt::format("LibTorch {}.{}.{}", t.torch_major, t.torch_minor, t.torch_patch); };
    compare(torch(tag) == torch(kThisAbi), torch(tag), torch(kThisAbi));
  }
  if (built.empty()) return {};
  return fmt::format("it was built for {}{}, this engine for {}", fmt::join(built, ", "),
                     tag.compiler == 0 ? std::string() : fmt::format(" (with {} {})", tag.compiler == 2 ? "Clang" : "GCC", tag.compiler_major),
                     fmt::join(here, ", "));
}

}  // namespace cdc
