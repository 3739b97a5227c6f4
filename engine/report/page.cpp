#include "report/page.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cdc/error.hpp"

// The page's parts, as they stand in page/ (engine/CMakeLists.txt says where that is): so that the programs need no file beside them.
#define CDC_EMBED(name, file)                                                                                                                       \
  __asm__(".section .rodata\n.balign 1\n.hidden " #name "\n.global " #name "\n" #name ":\n.incbin \"" CDC_REPORT_PAGE "/" file "\"\n.hidden " #name \
          "_end\n.global " #name "_end\n" #name "_end:\n.byte 0\n.previous\n");                                                                     \
  extern "C" {                                                                                                                                      \
  extern const char name[];                                                                                                                         \
  extern const char name##_end[];                                                                                                                   \
  }
CDC_EMBED(cdc_report_html, "page.html")
CDC_EMBED(cdc_report_css, "page.css")
CDC_EMBED(cdc_report_js, "page.js")
CDC_EMBED(cdc_report_vendor, "vendor/echarts.min.js")

namespace cdc {
namespace {

/// A mark of the template, and what stands there in the page.
struct Part {
  std::string_view mark;
  std::string text;
  std::size_t at = 0;
};

std::string escaped_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

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

std::string packed(const std::vector<std::int32_t>& values, const char* type, std::int32_t low, std::int32_t high, std::int32_t below) {
  std::string bytes;
  bytes.reserve(2 * values.size());
  for (const std::int32_t v : values) {
    if (v > high || (v < low && below == low)) throw Error(fmt::format("{} does not fit into {}", v, type));
    const auto bits = static_cast<std::uint32_t>(v < low ? below : v);
    bytes += static_cast<char>(bits & 255U);
    bytes += static_cast<char>(bits >> 8 & 255U);
  }
  return std::string(type) + ":" + base64(bytes);
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

std::string packed_u16(const std::vector<std::int32_t>& values) { return packed(values, "u16", 0, 65534, 65535); }
std::string packed_i16(const std::vector<std::int32_t>& values) { return packed(values, "i16", -32768, 32767, -32768); }

std::string report_page(const Value& data) {
  const std::string_view html(cdc_report_html, static_cast<std::size_t>(cdc_report_html_end - cdc_report_html));
  std::vector<Part> parts{{"{{title}}", escaped_html(data.at("title").as_string())},
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

}  // namespace cdc
