// SPDX-License-Identifier: MIT
#include "image/pixel_format.h"

#include <array>
#include <cstdlib>
#include <string>

namespace resnetft {
namespace {

constexpr FormatLayout packed(int bytes, uint8_t red, uint8_t green, uint8_t blue) {
  return {FormatFamily::Packed, {bytes, {red, green, blue}}};
}
constexpr FormatLayout yuv(FormatFamily family, bool v_first, int luma_byte = 0) {
  return {family, {}, v_first, luma_byte};
}

// In the order of PixelFormat.
constexpr std::array kLayouts = {
    packed(3, 0, 1, 2),
    packed(3, 2, 1, 0),
    packed(4, 0, 1, 2),
    packed(4, 2, 1, 0),
    packed(4, 1, 2, 3),
    packed(4, 3, 2, 1),
    packed(4, 0, 1, 2),
    packed(4, 2, 1, 0),
    packed(4, 1, 2, 3),
    packed(4, 3, 2, 1),
    packed(1, 0, 0, 0),
    yuv(FormatFamily::SemiPlanar420, false),
    yuv(FormatFamily::SemiPlanar420, true),
    yuv(FormatFamily::Planar420, false),
    yuv(FormatFamily::Planar420, true),
    yuv(FormatFamily::Packed422, false, 0),
    yuv(FormatFamily::Packed422, false, 1),
};
static_assert(kLayouts.size() == static_cast<size_t>(PixelFormat::Uyvy) + 1);

Error invalid(std::string message, std::string hint) {
  return {ErrorCode::InvalidArgument, std::move(message), std::move(hint)};
}

bool in_range(auto enumerator, auto first, auto last) {
  return static_cast<int>(enumerator) >= static_cast<int>(first) &&
         static_cast<int>(enumerator) <= static_cast<int>(last);
}

Status check_enumerators(const ImageView& image) {
  if (!in_range(image.format, PixelFormat::Rgb, PixelFormat::Uyvy))
    return invalid("pixel format number " + std::to_string(static_cast<int>(image.format)), "see PixelFormat");
  if (!in_range(image.matrix, ColorMatrix::Bt601, ColorMatrix::Bt2020) ||
      !in_range(image.range, ColorRange::Limited, ColorRange::Full))
    return invalid("colour matrix number " + std::to_string(static_cast<int>(image.matrix)) + " with range number " +
                       std::to_string(static_cast<int>(image.range)),
                   "see ColorMatrix and ColorRange");
  if (!in_range(image.orientation, Orientation::Normal, Orientation::Rotate90CounterClockwise))
    return invalid("orientation " + std::to_string(static_cast<int>(image.orientation)),
                   "EXIF knows 1 to 8; 1 is as stored");
  if (!in_range(image.memory.kind, MemoryKind::Host, MemoryKind::Cuda))
    return invalid("memory of kind number " + std::to_string(static_cast<int>(image.memory.kind)), "see MemoryKind");
  return Status::success();
}

Status check_planes(const ImageView& image) {
  const std::array<int, 3> bytes = plane_row_bytes(layout_of(image.format), image.width);
  for (size_t plane = 0; plane < bytes.size(); ++plane) {
    if (bytes[plane] == 0) continue;
    if (!image.planes[plane])
      return invalid("plane " + std::to_string(plane) + " of a picture is missing", "point it at its first row");
    if (image.height > 1 && std::abs(image.strides[plane]) < bytes[plane])
      return invalid("stride " + std::to_string(image.strides[plane]) + " of plane " + std::to_string(plane),
                     "a row of it has " + std::to_string(bytes[plane]) + " bytes");
  }
  return Status::success();
}

Status check_region(const ImageView& image) {
  const Region& r = image.region;
  if (r.width == 0 || r.height == 0) return Status::success();
  const auto inside = [](int begin, int size, int whole) { return begin >= 0 && size > 0 && size <= whole - begin; };
  if (inside(r.x, r.width, image.width) && inside(r.y, r.height, image.height)) return Status::success();
  return invalid("region " + std::to_string(r.width) + "x" + std::to_string(r.height) + " at " + std::to_string(r.x) +
                     "," + std::to_string(r.y),
                 "the picture has " + std::to_string(image.width) + "x" + std::to_string(image.height) + " pixels");
}

}  // namespace

const FormatLayout& layout_of(PixelFormat format) { return kLayouts[static_cast<size_t>(format)]; }

std::array<int, 3> plane_row_bytes(const FormatLayout& layout, int width) {
  const int pairs = (width + 1) / 2;
  switch (layout.family) {
    case FormatFamily::Packed:
      return {width * layout.pixel.bytes, 0, 0};
    case FormatFamily::SemiPlanar420:
      return {width, 2 * pairs, 0};
    case FormatFamily::Planar420:
      return {width, pairs, pairs};
    case FormatFamily::Packed422:
      return {4 * pairs, 0, 0};
  }
  return {};
}

YuvToRgb yuv_to_rgb_of(const ImageView& image) {
  struct Shares {
    double red, blue;
  };
  static constexpr Shares kShares[] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
  const Shares& shares = kShares[static_cast<int>(image.matrix)];
  return make_yuv_to_rgb(shares.red, shares.blue, image.range == ColorRange::Full, layout_of(image.format).v_first);
}

Status check_view(const ImageView& image) {
  const auto is_side = [](int size) { return size >= 1 && size <= kMaxSide; };
  if (!is_side(image.width) || !is_side(image.height))
    return invalid("a picture of " + std::to_string(image.width) + "x" + std::to_string(image.height) + " pixels",
                   "sides must be between 1 and " + std::to_string(kMaxSide));
  if (Status status = check_enumerators(image); !status) return status;
  if (Status status = check_planes(image); !status) return status;
  return check_region(image);
}

Status check_is_on_host(const ImageView& image) {
  if (image.memory.kind == MemoryKind::Host) return Status::success();
  return invalid("a picture in the memory of GPU " + std::to_string(image.memory.gpu) + " is preprocessed on the CPU",
                 "copy it to the host's memory, or classify it on a GPU");
}

}  // namespace resnetft
