#pragma once

#include <string>
#include <string_view>

#include "cdc/export.hpp"

namespace cdc {

// Text that somebody wrote (names of files, pipelines, stages, classes, plugins), so that it stays text where it is put.

/// For a terminal: what would move the cursor, color, ring or turn the direction of writing stands there as \u001b, which TOML and JSON read back;
/// line ends and tabs stay. Bytes that are no UTF-8 become \xNN.
CDC_API std::string terminal_text(std::string_view text);
/// The same on one line: line ends are \n, tabs \t.
CDC_API std::string terminal_word(std::string_view text);
/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula (=, +, -, @, tab or line end in front) gets a ' in front; numbers do not.
CDC_API std::string csv_field(const std::string& text);
/// A cell of a table in Markdown: no markup, tags, links nor line ends.
CDC_API std::string markdown_text(std::string_view text);
CDC_API std::string latex_text(std::string_view text);
/// In elements and attributes of XML and HTML. What XML cannot have at all is left out.
CDC_API std::string xml_text(std::string_view text);

}  // namespace cdc
