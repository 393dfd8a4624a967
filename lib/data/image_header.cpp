// SPDX-License-Identifier: MIT
#include "data/image_header.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

namespace resnetft {
namespace {

using Bytes = std::span<const std::byte>;

bool has_at(Bytes bytes, size_t offset, std::string_view text) {
  if (bytes.size() < offset || bytes.size() - offset < text.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (bytes[offset + i] != static_cast<std::byte>(text[i])) return false;
  return true;
}

// Numbers at offsets; what lies beyond the end is none.
struct Numbers {
  Bytes bytes;
  bool big_endian = false;

  std::optional<uint32_t> read(size_t offset, size_t size) const {
    if (offset > bytes.size() || bytes.size() - offset < size) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t at = big_endian ? offset + i : offset + size - 1 - i;
      value = value << 8 | std::to_integer<uint32_t>(bytes[at]);
    }
    return value;
  }
  std::optional<uint32_t> u16(size_t offset) const { return read(offset, 2); }
  std::optional<uint32_t> u24(size_t offset) const { return read(offset, 3); }
  std::optional<uint32_t> u32(size_t offset) const { return read(offset, 4); }
};

std::optional<ImageSize> both(std::optional<uint32_t> width, std::optional<uint32_t> height) {
  if (!width || !height) return std::nullopt;
  return ImageSize{*width, *height};
}

std::optional<ImageSize> bmp_size(Bytes bytes) {
  const Numbers numbers{bytes};
  if (numbers.u32(14) == 12u) return both(numbers.u16(18), numbers.u16(20));
  std::optional<ImageSize> size = both(numbers.u32(18), numbers.u32(22));
  if (!size) return size;
  // Rows from top to bottom are a negative height.
  return ImageSize{static_cast<int32_t>(size->width),
                   std::abs(static_cast<int64_t>(static_cast<int32_t>(size->height)))};
}

bool bmp_lacks_pixels(Bytes bytes) {
  const Numbers numbers{bytes};
  const std::optional<ImageSize> size = bmp_size(bytes);
  const bool core_header = numbers.u32(14) == 12u;
  const std::optional<uint32_t> bits = numbers.u16(core_header ? 24 : 28), offset = numbers.u32(10);
  constexpr uint32_t kPlain = 0, kBitFields = 3;
  const uint32_t compression = core_header ? kPlain : numbers.u32(30).value_or(kPlain);
  if (!size || !bits || !offset) return true;
  if (compression != kPlain && compression != kBitFields) return false;
  const int64_t stride = (size->width * *bits + 31) / 32 * 4;
  return *offset + stride * size->height > static_cast<int64_t>(bytes.size());
}

struct PnmHeader {
  ImageSize size;
  bool binary;
  int64_t row_bytes;
  size_t end;  // of the header: one white space after the last number
};

// The next number after white space and comments ("# ... end of line"); `next` goes behind it.
std::optional<uint32_t> pnm_number(Bytes bytes, size_t& next) {
  bool comment = false;
  for (; next < bytes.size(); ++next) {
    const char c = static_cast<char>(bytes[next]);
    if (c == '#') comment = true;
    if (c == '\n') comment = false;
    if (!comment && c >= '0' && c <= '9') break;
  }
  uint32_t value = 0;
  size_t digits = 0;
  for (; next < bytes.size() && digits < 9; ++next, ++digits) {
    const char c = static_cast<char>(bytes[next]);
    if (c < '0' || c > '9') break;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  return digits == 0 ? std::nullopt : std::optional(value);
}

// "P6", width, height, and the largest value but for bitmaps (P1, P4).
std::optional<PnmHeader> pnm_header(Bytes bytes) {
  const char kind = static_cast<char>(bytes[1]);
  size_t next = 2;
  const std::optional<uint32_t> width = pnm_number(bytes, next), height = pnm_number(bytes, next);
  const bool bitmap = kind == '1' || kind == '4', color = kind == '3' || kind == '6';
  const std::optional<uint32_t> largest = bitmap ? 1 : pnm_number(bytes, next);
  if (!width || !height || !largest) return std::nullopt;
  const int64_t values = int64_t{*width} * (color ? 3 : 1);
  return PnmHeader{
      {*width, *height}, kind >= '4', bitmap ? (values + 7) / 8 : values * (*largest > 255 ? 2 : 1), next + 1};
}

std::optional<ImageSize> pnm_size(Bytes bytes) {
  const std::optional<PnmHeader> header = pnm_header(bytes);
  return header ? std::optional(header->size) : std::nullopt;
}

bool pnm_lacks_pixels(Bytes bytes) {
  const std::optional<PnmHeader> header = pnm_header(bytes);
  if (!header) return true;
  return header->binary && static_cast<int64_t>(header->end) + header->row_bytes * header->size.height >
                               static_cast<int64_t>(bytes.size());
}

constexpr uint32_t kTiffWidth = 0x0100, kTiffHeight = 0x0101, kTiffOrientation = 0x0112;

// The value of a SHORT or LONG tag in the first directory (TIFF 6.0, section 2).
std::optional<uint32_t> tiff_tag(Bytes bytes, uint32_t tag) {
  const Numbers numbers{bytes, has_at(bytes, 0, "MM")};
  if (numbers.u16(2) != 42u) return std::nullopt;
  const std::optional<uint32_t> directory = numbers.u32(4);
  if (!directory) return std::nullopt;
  const uint32_t count = numbers.u16(*directory).value_or(0);
  for (uint32_t i = 0; i < count; ++i) {
    const size_t entry = size_t{*directory} + 2 + size_t{12} * i;
    if (numbers.u16(entry) != tag) continue;
    return numbers.u16(entry + 2) == 3u ? numbers.u16(entry + 8) : numbers.u32(entry + 8);
  }
  return std::nullopt;
}

std::optional<ImageSize> tiff_size(Bytes bytes) {
  return both(tiff_tag(bytes, kTiffWidth), tiff_tag(bytes, kTiffHeight));
}

std::optional<ImageSize> webp_size(Bytes bytes) {
  const Numbers numbers{bytes};
  if (has_at(bytes, 12, "VP8X")) {
    const std::optional<ImageSize> size = both(numbers.u24(24), numbers.u24(27));
    return size ? std::optional(ImageSize{size->width + 1, size->height + 1}) : size;
  }
  if (has_at(bytes, 12, "VP8L")) {
    const std::optional<uint32_t> bits = numbers.u32(21);
    if (!bits) return std::nullopt;
    return ImageSize{(*bits & 0x3fff) + 1, (*bits >> 14 & 0x3fff) + 1};
  }
  const std::optional<ImageSize> size = both(numbers.u16(26), numbers.u16(28));
  return size ? std::optional(ImageSize{size->width & 0x3fff, size->height & 0x3fff}) : size;
}

std::optional<ImageSize> gif_size(Bytes bytes) {
  const Numbers numbers{bytes};
  return both(numbers.u16(6), numbers.u16(8));
}

std::optional<ImageSize> unknown_size(Bytes) { return std::nullopt; }

struct FormatRow {
  ImageFormat format;
  std::string_view name;
  std::string_view magic;
  std::optional<ImageSize> (*size)(Bytes bytes);
};

using namespace std::string_view_literals;

constexpr std::array kFormats = {
    FormatRow{ImageFormat::Jpeg, "JPEG", "\xff\xd8\xff"sv, unknown_size},
    FormatRow{ImageFormat::Png, "PNG", "\x89PNG\r\n\x1a\n"sv, unknown_size},
    FormatRow{ImageFormat::Bmp, "BMP", "BM"sv, bmp_size},
    FormatRow{ImageFormat::Pnm, "PNM", "P1"sv, pnm_size},
    FormatRow{ImageFormat::Pnm, "PNM", "P2"sv, pnm_size},
    FormatRow{ImageFormat::Pnm, "PNM", "P3"sv, pnm_size},
    FormatRow{ImageFormat::Pnm, "PNM", "P4"sv, pnm_size},
    FormatRow{ImageFormat::Pnm, "PNM", "P5"sv, pnm_size},
    FormatRow{ImageFormat::Pnm, "PNM", "P6"sv, pnm_size},
    FormatRow{ImageFormat::Tiff, "TIFF", "II*\0"sv, tiff_size},
    FormatRow{ImageFormat::Tiff, "TIFF", "MM\0*"sv, tiff_size},
    FormatRow{ImageFormat::WebP, "WebP", "RIFF"sv, webp_size},
    FormatRow{ImageFormat::Gif, "GIF", "GIF8"sv, gif_size},
};

const FormatRow& row_of(ImageFormat format) {
  for (const FormatRow& row : kFormats)
    if (row.format == format) return row;
  std::abort();
}

}  // namespace

std::string_view image_format_name(ImageFormat format) { return row_of(format).name; }

std::optional<ImageFormat> detect_image_format(Bytes bytes) {
  for (const FormatRow& row : kFormats) {
    if (!has_at(bytes, 0, row.magic)) continue;
    if (row.format == ImageFormat::WebP && !has_at(bytes, 8, "WEBP")) continue;
    return row.format;
  }
  return std::nullopt;
}

std::optional<ImageSize> read_image_size(Bytes bytes, ImageFormat format) { return row_of(format).size(bytes); }

bool lacks_pixels(Bytes bytes, ImageFormat format) {
  if (format == ImageFormat::Bmp) return bmp_lacks_pixels(bytes);
  return format == ImageFormat::Pnm && pnm_lacks_pixels(bytes);
}

Orientation read_tiff_orientation(Bytes tiff) {
  const std::optional<uint32_t> value = tiff_tag(tiff, kTiffOrientation);
  return value && *value >= 1 && *value <= 8 ? static_cast<Orientation>(*value) : Orientation::Normal;
}

Orientation read_exif_orientation(Bytes exif) {
  constexpr std::string_view kPrefix = "Exif\0\0"sv;
  return read_tiff_orientation(has_at(exif, 0, kPrefix) ? exif.subspan(kPrefix.size()) : exif);
}

Orientation read_webp_orientation(Bytes webp) {
  const Numbers numbers{webp};
  size_t chunk = 12;
  while (const std::optional<uint32_t> size = numbers.u32(chunk + 4)) {
    const size_t begin = chunk + 8;
    if (has_at(webp, chunk, "EXIF"))
      return read_exif_orientation(webp.subspan(begin, std::min<size_t>(*size, webp.size() - begin)));
    chunk = begin + *size + (*size & 1);
  }
  return Orientation::Normal;
}

}  // namespace resnetft
