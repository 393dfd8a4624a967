// SPDX-License-Identifier: MIT
// PNG by libpng. Its errors jump: everything that needs a destructor lives in PngJob, outside the functions that are
// jumped over.
#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <png.h>

#include "data/image_decoders.h"

namespace resnetft {
namespace {

struct PngJob {
  std::span<const std::byte> rest;
  png_structp decoder = nullptr;
  png_infop info = nullptr;
  std::jmp_buf jump = {};
  std::string reason = {};
  bool cut_short = false;
  std::vector<uint8_t> pixels = {};
  std::vector<png_bytep> rows = {};

  ~PngJob() { png_destroy_read_struct(&decoder, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp decoder, png_const_charp text) {
  PngJob& job = *static_cast<PngJob*>(png_get_error_ptr(decoder));
  job.reason = text;
  std::longjmp(job.jump, 1);
}

// Such as a colour profile that is not to libpng's taste: the pixels are right.
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp decoder, png_bytep target, size_t size) {
  PngJob& job = *static_cast<PngJob*>(png_get_io_ptr(decoder));
  if (size > job.rest.size()) {
    job.cut_short = true;
    png_error(decoder, "no more data");
  }
  std::memcpy(target, job.rest.data(), size);
  job.rest = job.rest.subspan(size);
}

void read_header(PngJob& job) {
  png_set_read_fn(job.decoder, &job, on_read);
  // check_image_size() has the better message; these bound what libpng allocates by itself.
  png_set_user_limits(job.decoder, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(job.decoder, 8 << 20);
  png_read_info(job.decoder, job.info);
  png_set_expand(job.decoder);
  png_set_strip_16(job.decoder);
  png_set_strip_alpha(job.decoder);
  png_set_gray_to_rgb(job.decoder);
  png_set_interlace_handling(job.decoder);
  png_read_update_info(job.decoder, job.info);
}

void read_pixels(PngJob& job) {
  png_read_image(job.decoder, job.rows.data());
  png_read_end(job.decoder, job.info);
}

bool run(PngJob& job, void (*step)(PngJob& job)) {
  if (setjmp(job.jump) != 0) return false;
  step(job);
  return true;
}

Orientation orientation_of(const PngJob& job) {
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(job.decoder, job.info, &size, &exif) == 0) return Orientation::Normal;
  return read_exif_orientation(std::as_bytes(std::span(exif, size)));
}

}  // namespace

Result<DecodedImage> decode_png(std::span<const std::byte> bytes) {
  PngJob job{.rest = bytes};
  job.decoder = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
  job.info = job.decoder ? png_create_info_struct(job.decoder) : nullptr;
  if (!job.info) return Error{ErrorCode::OutOfMemory, "libpng cannot start", ""};

  int width = 0, height = 0;
  bool good = run(job, read_header);
  if (good) {
    const int64_t stored_width = png_get_image_width(job.decoder, job.info);
    const int64_t stored_height = png_get_image_height(job.decoder, job.info);
    if (Status status = check_image_size(stored_width, stored_height); !status) return status.error();
    width = static_cast<int>(stored_width);
    height = static_cast<int>(stored_height);
    const size_t stride = static_cast<size_t>(width) * 3;
    job.pixels.resize(stride * static_cast<size_t>(height));
    for (int y = 0; y < height; ++y) job.rows.push_back(job.pixels.data() + static_cast<size_t>(y) * stride);
    good = run(job, read_pixels);
  }
  if (job.cut_short) return Error{ErrorCode::CorruptFile, "the PNG data is cut short", ""};
  if (!good) return Error{ErrorCode::CorruptFile, "libpng refuses it: " + job.reason, ""};
  DecodedImage image = own_pixels(std::move(job.pixels), PixelFormat::Rgb, width, height);
  image.view.orientation = orientation_of(job);
  return image;
}

}  // namespace resnetft
