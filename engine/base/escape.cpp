#include "base/escape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace cdc {
namespace {

/// Length in bytes of the UTF-8 sequence at the beginning and the character; 0 where it is none.
std::size_t character_at(std::string_view text, std::uint32_t& character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  character = byte(0);
  if (character < 0x80) return 1;
  const std::size_t length = character < 0xC2 || character > 0xF4 ? 0 : character < 0xE0 ? 2 : character < 0xF0 ? 3 : 4;
  if (length == 0 || text.size() < length) return 0;
  character &= 0xFFu >> (length + 1);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    character = character << 6 | (byte(i) & 0x3F);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  return character >= kLeast[length] && character <= 0x10FFFF && (character < 0xD800 || character > 0xDFFF) ? length : 0;
}

/// Of the directions of writing: a name can look like another by them (Unicode Technical Report 36).
bool turns_writing(std::uint32_t c) {
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0x061C;
}

std::string for_terminal(std::string_view text, bool one_line) {
  std::string out;
  while (!text.empty()) {
    std::uint32_t c = 0;
    const std::size_t length = character_at(text, c);
    if (length == 0)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    else if (c == '\n' || c == '\t')
      out += !one_line ? std::string(text.substr(0, 1)) : c == '\n' ? "\\n" : "\\t";
    else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || turns_writing(c))
      out += fmt::format("\\u{:04x}", c);
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out;
}

bool is_number(const std::string& text) {
  if (text.find_first_not_of("0123456789+-.eE") != std::string::npos) return false;
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0';
}

}  // namespace

std::string terminal_text(std::string_view text) { return for_terminal(text, false); }

std::string terminal_word(std::string_view text) { return for_terminal(text, true); }

std::string csv_field(const std::string& text) {
  const bool formula = !text.empty() && std::string("=+-@\t\r\n").find(text[0]) != std::string::npos && !is_number(text);
  const std::string all = formula ? "'" + text : text;
  if (all.find_first_of(",\"\r\n\t") == std::string::npos) return all;
  std::string out = "\"";
  for (const char c : all) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string markdown_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '\n' || c == '\r' || c == '\t')
      out += ' ';
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\\\x{:02x}", c);
    else
      out += (std::string_view("|*_`\\[]~#$!").find(c) != std::string_view::npos ? "\\" : "") + std::string(1, c);
  }
  return out;
}

std::string latex_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\textbackslash{}";
    else if (c == '~')
      out += "\\textasciitilde{}";
    else if (c == '^')
      out += "\\textasciicircum{}";
    else if (c == '<')
      out += "\\textless{}";
    else if (c == '>')
      out += "\\textgreater{}";
    else if (c == '|')
      out += "\\textbar{}";
    else if (c == '\n' || c == '\r' || c == '\t')
      out += ' ';  // an empty line would end the paragraph, and LaTeX with it
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\textbackslash{{}}x{:02x}", c);
    else
      out += (std::string_view("&%$#_{}").find(c) != std::string_view::npos ? "\\" : "") + std::string(1, c);
  }
  return out;
}

std::string xml_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::uint32_t c = 0;
    const std::size_t length = character_at(text, c);
    if (length == 0)
      out += "\xEF\xBF\xBD";
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if ((c >= 0x20 || c == '\t') && c != 0xFFFE && c != 0xFFFF)
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out;
}

}  // namespace cdc
