#include "report/page.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "artifact/files.hpp"
#include "artifact/run_files.hpp"
#include "base/escape.hpp"
#include "cdc/error.hpp"

// The page's parts (engine/CMakeLists.txt says where they are), so that the programs need no file beside them.
#define CDC_EMBED(name, file)                                                                                                               \
  __asm__(".section .rodata\n.hidden " #name "\n.global " #name "\n" #name ":\n.incbin \"" file "\"\n.hidden " #name "_end\n.global " #name \
          "_end\n" #name "_end:\n.byte 0\n.previous\n");                                                                                    \
  extern "C" {                                                                                                                              \
  extern const char name[];                                                                                                                 \
  extern const char name##_end[];                                                                                                           \
  }
CDC_EMBED(cdc_report_html, CDC_REPORT_PAGE "/page.html")
CDC_EMBED(cdc_report_css, CDC_REPORT_PAGE "/page.css")
CDC_EMBED(cdc_report_vendor, CDC_REPORT_PAGE "/vendor/echarts.min.js")
CDC_EMBED(cdc_report_js, CDC_REPORT_SCRIPT)

namespace cdc {
namespace {

constexpr std::int64_t kNone = 65535;

/// A mark of the template, and what stands there in the page.
struct Part {
  std::string_view mark;
  std::string text;
  std::size_t at = 0;
};

/// JSON within a script element: "</script>" in a name must not end it.
std::string script_json(const Value& data) {
  std::string out;
  for (const char c : data.to_json()) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

/// Little-endian, each of `bytes` bytes.
std::string packed(const std::vector<std::int64_t>& values, const char* type, int bytes, std::int64_t low, std::int64_t high) {
  std::string out;
  out.reserve(static_cast<std::size_t>(bytes) * values.size());
  for (const std::int64_t v : values) {
    if (v < low || v > high) throw Error(fmt::format("{} does not fit into {}", v, type));
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(static_cast<std::uint64_t>(v) >> 8 * i & 255U);
  }
  return std::string(type) + ":" + base64(out);
}

}  // namespace

std::string base64(std::string_view bytes) {
  static constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) out += i + j > bytes.size() ? '=' : kLetters[group >> (18 - 6 * j) & 63U];
  }
  return out;
}

std::string packed_u16(const std::vector<std::int32_t>& values) {
  std::vector<std::int64_t> all;
  for (const std::int32_t v : values) {
    if (v == kNone) throw Error(fmt::format("{} does not fit into u16", v));
    all.push_back(v < 0 ? kNone : v);
  }
  return packed(all, "u16", 2, 0, kNone);
}
std::string packed_u32(const std::vector<std::int64_t>& values) { return packed(values, "u32", 4, 0, UINT32_MAX); }
std::string packed_i16(const std::vector<std::int64_t>& values) { return packed(values, "i16", 2, INT16_MIN, INT16_MAX); }

std::string report_page(const Value& data) {
  const std::string_view html(cdc_report_html, static_cast<std::size_t>(cdc_report_html_end - cdc_report_html));
  std::vector<Part> parts{{"{{title}}", xml_text(data.at("title").as_string())},
                          {"/*{{css}}*/", std::string(cdc_report_css, cdc_report_css_end)},
                          {"/*{{vendor}}*/", std::string(cdc_report_vendor, cdc_report_vendor_end)},
                          {"/*{{js}}*/", std::string(cdc_report_js, cdc_report_js_end)},
                          {"{{data}}", script_json(data)}};
  for (Part& part : parts) part.at = html.find(part.mark);
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.at < b.at; });
  std::string page;
  std::size_t from = 0;
  for (const Part& part : parts) {  // marks are looked for in the template alone: names of users may look like one
    page += html.substr(from, part.at - from);
    page += part.text;
    from = part.at + part.mark.size();
  }
  return page += html.substr(from);
}

void require_place_for_page(const std::filesystem::path& file) {
  constexpr const char* kRemedy = "; name another place for the page with -o FILE";
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) throw Error(fmt::format("cannot write {}: {}{}", file.string(), errno_text(errno), kRemedy));
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored) || (std::filesystem::is_regular_file(file, ignored) && std::filesystem::is_empty(file, ignored)))
    return;
  if (is_report_page(file)) return;
  throw Error(fmt::format("{} is there and is no page of cdc-report: it is not overwritten{}", file.string(), kRemedy));
}

}  // namespace cdc
