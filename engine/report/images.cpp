#include "report/images.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "cdc/error.hpp"
#include "data/image_sheet.hpp"
#include "report/page.hpp"
#include "report/samples.hpp"

namespace cdc {
namespace {

constexpr int kSides[] = {96, 64, 48, 32, 24, 16};  // whole blocks of JPEG: a picture does not bleed into the next
constexpr int kQualities[] = {85, 60, 40};
constexpr std::int64_t kTried = 500;

struct Choice {
  int side = 16, quality = 40;
};

std::vector<std::int64_t> picked(const std::vector<std::int64_t>& samples, std::int64_t most) {
  std::vector<std::int64_t> out;
  for (const std::int64_t i : evenly_spaced(static_cast<std::int64_t>(samples.size()), most)) out.push_back(samples[static_cast<std::size_t>(i)]);
  return out;
}

/// The first of the choices, from large and good to small, whose pictures all fit.
Choice choose(const Dataset& data, const std::vector<std::int64_t>& samples, int largest, std::int64_t bytes) {
  const std::vector<std::int64_t> some = picked(samples, kTried);
  const std::array<int, 2> size = data.image_size();
  const int native = std::max(size[0], size[1]) > 0 ? std::max(size[0], size[1]) : largest;
  for (const int side : kSides) {
    if (side > std::max(largest, 16) || (side > 16 && side >= 2 * native)) continue;
    const Image sheet = make_sheet(data, some, side, side, 25);
    for (const int quality : kQualities) {
      const double each = static_cast<double>(encode_jpeg(sheet, quality).size()) / static_cast<double>(some.size());
      if (each * static_cast<double>(samples.size()) <= static_cast<double>(bytes)) return {side, quality};
    }
  }
  return {};
}

}  // namespace

Value picture_sheets(const Dataset& data, const std::vector<std::int64_t>& samples, int largest, std::int64_t bytes) {
  const Choice choice = choose(data, samples, largest, bytes);
  // Sheets of about 2,400 pixels a side: browsers decode them one by one, and phones refuse larger canvases.
  const auto count = static_cast<int>(samples.size());
  const int across = std::min(2400 / choice.side, std::max(1, static_cast<int>(std::ceil(std::sqrt(count)))));
  const int down = std::min(2400 / choice.side, (count + across - 1) / across);
  Value out = Value::table(), sheets = Value::array();
  out["width"] = choice.side;
  out["height"] = choice.side;
  out["columns"] = across;
  out["rows"] = down;
  for (std::size_t begin = 0; begin < samples.size(); begin += static_cast<std::size_t>(across * down)) {
    const std::size_t end = std::min(samples.size(), begin + static_cast<std::size_t>(across * down));
    const std::vector<std::int64_t> part(samples.begin() + static_cast<std::ptrdiff_t>(begin), samples.begin() + static_cast<std::ptrdiff_t>(end));
    sheets.push_back("data:image/jpeg;base64," + base64(encode_jpeg(make_sheet(data, part, choice.side, choice.side, across), choice.quality)));
  }
  out["sheets"] = std::move(sheets);
  return out;
}

}  // namespace cdc
