#pragma once

#include <cstddef>

#include "cdc/export.hpp"
#include "cdc/image.hpp"

/// Image operations for augmentations. They mean what torchvision's of the same name mean on float tensors: no rounding to 8 bits in between. All are
/// thread-safe, hold no state, and give the same bits in any thread.
namespace cdc::pixels {

/// A rectangle of pixels.
struct Box {
  int y = 0, x = 0, height = 0, width = 0;
};

/// Antialiased bilinear resize, as torchvision's resize(..., antialias=True) and PyTorch's interpolate(mode="bilinear", antialias=True): a triangle
/// filter, as wide as two source pixels or, when shrinking, two target pixels, cut and renormalised at the source's borders. Resizes `source` of the
/// image (nothing outside it counts) to height x width and writes the part `window` of that to out[C][window.height][window.width], planar, 0 to 1;
/// mirrored left to right where `flip`. Only what the window needs is computed. Needs a box inside the image and a window inside the target, both not
/// empty.
CDC_API void resize(const Image& image, const Box& source, int height, int width, const Box& window, bool flip, float* out);

/// The box of the largest centred part of a height x width image that has the target's aspect ratio.
CDC_API Box centre_box(int height, int width, int target_height, int target_width);

// Colour operations in place on planar float images [channels][n], 0 to 1, channels 1 or 3 (RGB). Formulas and names are torchvision's
// (transforms.functional on float tensors): results are cut to 0 .. 1 (unless `clipped` is false: then clip() is the caller's, after the
// last), grey is 0.2989 R + 0.587 G + 0.114 B. One channel is its own grey; saturation
// and hue leave it alone.

/// Cuts to 0 .. 1.
CDC_API void clip(float* image, int channels, std::size_t n);
/// image * factor.
CDC_API void adjust_brightness(float* image, int channels, std::size_t n, float factor, bool clipped = true);
/// Away from (factor > 1) or to (factor < 1) the mean of the image's grey.
CDC_API void adjust_contrast(float* image, int channels, std::size_t n, float factor, bool clipped = true);
/// Away from or to each pixel's grey.
CDC_API void adjust_saturation(float* image, int channels, std::size_t n, float factor, bool clipped = true);
/// Turns the hue (HSV) by `shift` of the circle, -0.5 to 0.5.
CDC_API void adjust_hue(float* image, int channels, std::size_t n, float shift);
/// All channels become the grey.
CDC_API void to_grey(float* image, int channels, std::size_t n);
/// Values of `threshold` and above are turned over: 1 - value.
CDC_API void solarize(float* image, int channels, std::size_t n, float threshold);
/// Spreads each channel's values evenly over 0 .. 1, by the cumulative histogram of the values rounded to 8 bits (torchvision's equalize of such an image).
CDC_API void equalize(float* image, int channels, std::size_t n);
/// (image - mean) / deviation, each of `channels` numbers.
CDC_API void normalise(float* image, int channels, std::size_t n, const float* mean, const float* deviation);

/// Gaussian blur in place of a planar float image [channels][height][width], as torchvision's gaussian_blur: `kernel` odd taps, exp(-x^2 / 2 sigma^2)
/// normalised, borders mirrored without repeating the border pixel. Separable; taps whose weight float32 cannot tell from zero are left out. A kernel
/// that reaches over the image (kernel / 2 >= height or width) is shortened to fit.
CDC_API void gaussian_blur(float* image, int channels, int height, int width, int kernel, double sigma);

/// Turns a planar float image in place by `degrees`, counter-clockwise, around its centre: bilinear, black outside (torchvision's rotate with
/// bilinear interpolation, but for the outermost pixels: there torchvision multiplies by the mask twice).
CDC_API void rotate(float* image, int channels, int height, int width, double degrees);

}  // namespace cdc::pixels
