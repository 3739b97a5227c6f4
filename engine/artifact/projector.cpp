#include "artifact/projector.hpp"

#include <fmt/format.h>
#include <iterator>
#include <string_view>

#include "artifact/array_file.hpp"

namespace cdc {
namespace {

/// A string of protocol buffers' text format.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 32 || c == 127) {
      out += fmt::format("\\{:03o}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// The projector reads a matrix as text first, and as bytes where its first line is no UTF-8. True where it is sure to be none: a continuation byte
/// behind ASCII, before any line's end. That is soon so with nearly all matrices; not with zeros or twos.
bool is_no_text(std::string_view bytes) {
  bool ascii = true;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') return false;
    if (ascii && byte >= 0x80 && byte < 0xc0) return true;
    ascii = byte < 0x80;
  }
  return false;
}

}  // namespace

std::string projector_config(const std::vector<ProjectorEmbedding>& embeddings) {
  std::string out;
  for (const ProjectorEmbedding& e : embeddings) {
    out += fmt::format("embeddings {{\n  tensor_name: {}\n  tensor_path: {}\n  tensor_shape: {}\n  tensor_shape: {}\n", quoted(e.name),
                       quoted(e.tensor), e.rows, e.columns);
    if (!e.metadata.empty()) out += fmt::format("  metadata_path: {}\n", quoted(e.metadata));
    if (!e.sprite.empty())
      out += fmt::format("  sprite {{\n    image_path: {}\n    single_image_dim: {}\n    single_image_dim: {}\n  }}\n", quoted(e.sprite),
                         e.tile_width, e.tile_height);
    out += "}\n";
  }
  return out;
}

std::string projector_metadata(const std::vector<std::pair<std::string, std::vector<std::string>>>& columns) {
  std::string out;
  const auto add = [&](std::size_t column, const std::string& text) {
    if (column > 0) out += '\t';
    for (const char c : text) out += c == '\t' || c == '\n' || c == '\r' ? ' ' : c;
    if (column + 1 == columns.size()) out += '\n';
  };
  for (std::size_t c = 0; columns.size() > 1 && c < columns.size(); ++c) add(c, columns[c].first);
  for (std::size_t row = 0; !columns.empty() && row < columns.front().second.size(); ++row)
    for (std::size_t c = 0; c < columns.size(); ++c) add(c, columns[c].second[row]);
  return out;
}

std::string write_projector_tensor(const std::filesystem::path& folder, const std::string& name, const std::vector<float>& values, std::int64_t rows,
                                   std::int64_t columns) {
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  const bool binary = is_no_text(bytes);
  const std::string file = name + (binary ? ".bytes" : ".tsv"), other = name + (binary ? ".tsv" : ".bytes");
  if (binary) {
    write_file(folder / file, bytes);
  } else {
    std::string text;
    for (std::size_t row = 0, at = 0; row < static_cast<std::size_t>(rows); ++row)
      for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c)
        fmt::format_to(std::back_inserter(text), "{}{}", values[at++], c + 1 == static_cast<std::size_t>(columns) ? '\n' : '\t');
    write_file(folder / file, text);
  }
  std::error_code ignored;
  std::filesystem::remove(folder / other, ignored);
  return file;
}

bool is_projector_file(const std::string& name) {
  const std::filesystem::path last(name), before = last.stem();
  const std::string ending = last.extension().string(), part = before.extension().string();
  return name == kProjectorConfig || (!part.empty() && (ending == ".bytes" || ending == ".tsv" || (ending == ".png" && part == ".sprite")));
}

}  // namespace cdc
