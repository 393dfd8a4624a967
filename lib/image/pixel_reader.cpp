// SPDX-License-Identifier: MIT
#include "image/pixel_reader.h"

#include <array>
#include <cstddef>

namespace resnetft {
namespace {

struct PackedRow {
  int bytes, red, green, blue;
};

// In the order of PixelFormat, up to Gray8.
constexpr std::array kPacked = {
    PackedRow{3, 0, 1, 2}, PackedRow{3, 2, 1, 0}, PackedRow{4, 0, 1, 2}, PackedRow{4, 2, 1, 0},
    PackedRow{4, 1, 2, 3}, PackedRow{4, 3, 2, 1}, PackedRow{4, 0, 1, 2}, PackedRow{4, 2, 1, 0},
    PackedRow{4, 1, 2, 3}, PackedRow{4, 3, 2, 1}, PackedRow{1, 0, 0, 0},
};
static_assert(kPacked.size() == static_cast<size_t>(PixelFormat::Gray8) + 1);

// Where U and V of the pixel pair x / 2 lie: plane, byte of the first, distance to the next.
struct ChromaRow {
  int u_plane, u_offset, v_plane, v_offset, step;
  bool half_height;
  int luma_offset, luma_step;
};

// In the order of PixelFormat, after Gray8: Nv12, Nv21, I420, Yv12, Yuy2, Uyvy.
constexpr std::array kChroma = {
    ChromaRow{1, 0, 1, 1, 2, true, 0, 1}, ChromaRow{1, 1, 1, 0, 2, true, 0, 1},  ChromaRow{1, 0, 2, 0, 1, true, 0, 1},
    ChromaRow{2, 0, 1, 0, 1, true, 0, 1}, ChromaRow{0, 1, 0, 3, 4, false, 0, 2}, ChromaRow{0, 0, 0, 2, 4, false, 1, 2},
};
static_assert(kPacked.size() + kChroma.size() == static_cast<size_t>(PixelFormat::Uyvy) + 1);

ColorCoefficients coefficients_of(const ImageView& view) {
  const bool limited = view.range == ColorRange::Limited;
  switch (view.matrix) {
    case ColorMatrix::Bt709:
      return color_coefficients(0.2126, 0.0722, limited);
    case ColorMatrix::Bt2020:
      return color_coefficients(0.2627, 0.0593, limited);
    case ColorMatrix::Bt601:
      break;
  }
  return color_coefficients(0.299, 0.114, limited);
}

}  // namespace

PixelReader::PixelReader(const ImageView& view) : view_(view), color_(coefficients_of(view)) {}

void PixelReader::read(int x, int y, int count, uint8_t* rgb) const {
  const size_t format = static_cast<size_t>(view_.format);
  const auto row = [&](int plane, int line) {
    return view_.planes[static_cast<size_t>(plane)] + line * view_.strides[static_cast<size_t>(plane)];
  };
  if (format < kPacked.size()) {
    const PackedRow& packed = kPacked[format];
    const uint8_t* pixel = row(0, y) + static_cast<ptrdiff_t>(x) * packed.bytes;
    for (int i = 0; i < count; ++i, pixel += packed.bytes, rgb += 3) {
      rgb[0] = pixel[packed.red];
      rgb[1] = pixel[packed.green];
      rgb[2] = pixel[packed.blue];
    }
    return;
  }
  const ChromaRow& chroma = kChroma[format - kPacked.size()];
  const int chroma_line = chroma.half_height ? y / 2 : y;
  const uint8_t* luma = row(0, y) + chroma.luma_offset;
  const uint8_t* u = row(chroma.u_plane, chroma_line) + chroma.u_offset;
  const uint8_t* v = row(chroma.v_plane, chroma_line) + chroma.v_offset;
  for (int i = x; i < x + count; ++i, rgb += 3) {
    const int pair = i / 2 * chroma.step;
    yuv_to_rgb(color_, luma[i * chroma.luma_step], u[pair], v[pair], rgb);
  }
}

}  // namespace resnetft
