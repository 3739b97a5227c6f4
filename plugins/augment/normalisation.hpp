#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <vector>

#include "cdc/error.hpp"
#include "cdc/pixels.hpp"
#include "cdc/schema.hpp"

// What the augmentations share: the last step, (x - mean) / std of each channel.
namespace cdc::augment {

template <class T>
void describe_normalisation(Schema<T>& s, std::vector<double> T::*mean, std::vector<double> T::*deviation) {
  s.param(mean, "mean", "Mean to subtract, one number or one a channel, of pixels 0 to 1; empty: ImageNet's [0.485, 0.456, 0.406], grey 0.5")
      .length(0, 3);
  s.param(deviation, "std", "Deviation to divide by, as mean; empty: ImageNet's [0.229, 0.224, 0.225], grey 0.5").length(0, 3);
}

inline void check_normalisation(const std::vector<double>& mean, const std::vector<double>& deviation) {
  for (const auto& [name, list] : {std::pair("mean", &mean), std::pair("std", &deviation)}) {
    if (list->size() == 2) throw Error(fmt::format("{} has 2 numbers; it takes one, or three for colour", name));
  }
  for (const double d : deviation) {
    if (!(d > 0)) throw Error(fmt::format("std has {}; deviations are above 0", d));
  }
}

inline void normalise(float* image, int channels, std::size_t n, const std::vector<double>& mean, const std::vector<double>& deviation) {
  static constexpr float kMean[] = {0.485f, 0.456f, 0.406f}, kDeviation[] = {0.229f, 0.224f, 0.225f};
  float m[3], d[3];
  const auto fill = [&](const std::vector<double>& list, const float* colour, const char* name, float* out) {
    if (list.size() == 3 && channels == 1) throw Error(fmt::format("{} has three numbers, but the images are grey: give one", name));
    for (int c = 0; c < channels; ++c) {
      if (list.empty()) {
        out[c] = channels == 3 ? colour[c] : 0.5f;
      } else {
        out[c] = static_cast<float>(list[list.size() == 1 ? 0 : static_cast<std::size_t>(c)]);
      }
    }
  };
  fill(mean, kMean, "mean", m);
  fill(deviation, kDeviation, "std", d);
  pixels::normalise(image, channels, n, m, d);
}

}  // namespace cdc::augment
