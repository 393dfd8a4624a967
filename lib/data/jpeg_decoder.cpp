// SPDX-License-Identifier: MIT
// JPEG by libjpeg. Its errors jump: everything that needs a destructor lives in JpegJob, outside the functions that
// are jumped over.
#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "data/image_decoders.h"

namespace resnetft {
namespace {

// Progressive files may rescan the whole picture for each few bytes; no camera or program writes that many scans.
constexpr int kMaxScans = 200;

struct JpegJob {
  std::span<const std::byte> bytes;
  jpeg_decompress_struct decoder = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf jump = {};
  std::string reason = {};
  bool cut_short = false;
  bool damaged = false;
  bool too_large = false;
  Status size_status = Status::success();
  Orientation orientation = Orientation::Normal;
  PixelFormat format = PixelFormat::Rgb;
  std::vector<uint8_t> pixels = {};
  std::vector<uint8_t> cmyk_row = {};
  int width = 0, height = 0;

  ~JpegJob() { jpeg_destroy_decompress(&decoder); }
};

JpegJob& job_of(j_common_ptr common) { return *static_cast<JpegJob*>(common->client_data); }

[[noreturn]] void on_error(j_common_ptr common) {
  char text[JMSG_LENGTH_MAX];
  common->err->format_message(common, text);
  job_of(common).reason = text;
  std::longjmp(job_of(common).jump, 1);
}

// Level -1 is a warning: the decoder goes on with gray where there was no data. Warnings that leave the pixels right
// (odd markers, bytes between segments) pass.
void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;
  const int code = common->err->msg_code;
  JpegJob& job = job_of(common);
  job.cut_short |= code == JWRN_JPEG_EOF;
  job.damaged |=
      code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

void on_progress(j_common_ptr common) {
  const auto decoder = reinterpret_cast<j_decompress_ptr>(common);
  JpegJob& job = job_of(common);
  if (decoder->input_scan_number <= kMaxScans) return;
  job.reason = "it has more than " + std::to_string(kMaxScans) + " scans";
  std::longjmp(job.jump, 1);
}

Orientation orientation_of(const jpeg_decompress_struct& decoder) {
  for (jpeg_saved_marker_ptr marker = decoder.marker_list; marker; marker = marker->next) {
    const std::span<const std::byte> data = std::as_bytes(std::span(marker->data, marker->data_length));
    if (marker->marker == JPEG_APP0 + 1 && data.size() > 6 &&
        std::string_view(reinterpret_cast<const char*>(marker->data), 4) == "Exif")
      return read_exif_orientation(data);
  }
  return Orientation::Normal;
}

// a * b / 255, rounded, as Pillow computes it.
uint8_t multiply_255(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

// Adobe stores 255 less the ink. Pillow: R = (255 - K) - C * (255 - K) / 255.
void convert_cmyk_row(const std::vector<uint8_t>& inverted, uint8_t* rgb) {
  for (size_t i = 0; i + 3 < inverted.size(); i += 4, rgb += 3)
    for (size_t c = 0; c < 3; ++c)
      rgb[c] = static_cast<uint8_t>(inverted[i + 3] - multiply_255(255u - inverted[i + c], inverted[i + 3]));
}

void read_header(JpegJob& job) {
  jpeg_create_decompress(&job.decoder);
  job.decoder.progress = &job.progress;
  jpeg_save_markers(&job.decoder, JPEG_APP0 + 1, 0xffff);
  jpeg_mem_src(&job.decoder, reinterpret_cast<const unsigned char*>(job.bytes.data()), job.bytes.size());
  jpeg_read_header(&job.decoder, TRUE);
  job.width = static_cast<int>(job.decoder.image_width);
  job.height = static_cast<int>(job.decoder.image_height);
  job.orientation = orientation_of(job.decoder);
}

// DCT coefficients of high frequency are left out, so that each side comes out divided, rounded up.
void reduce(JpegJob& job, const ReduceBy& reduce_by) {
  const bool sideways = job.orientation >= Orientation::Transpose;
  const int divisor = sideways ? reduce_by(job.height, job.width) : reduce_by(job.width, job.height);
  job.decoder.scale_num = 1;
  job.decoder.scale_denom = static_cast<unsigned>(std::clamp(divisor, 1, 8));
  jpeg_calc_output_dimensions(&job.decoder);
  job.width = static_cast<int>(job.decoder.output_width);
  job.height = static_cast<int>(job.decoder.output_height);
}

// After `pixels` has its size.
void read_pixels(JpegJob& job) {
  jpeg_start_decompress(&job.decoder);
  const size_t stride = job.pixels.size() / job.decoder.output_height;
  while (job.decoder.output_scanline < job.decoder.output_height) {
    uint8_t* row = job.pixels.data() + job.decoder.output_scanline * stride;
    JSAMPROW target = job.cmyk_row.empty() ? row : job.cmyk_row.data();
    jpeg_read_scanlines(&job.decoder, &target, 1);
    if (!job.cmyk_row.empty()) convert_cmyk_row(job.cmyk_row, row);
  }
  jpeg_finish_decompress(&job.decoder);
}

bool run(JpegJob& job, void (*step)(JpegJob& job)) {
  if (setjmp(job.jump) != 0) return false;
  step(job);
  return true;
}

void choose_output(JpegJob& job) {
  const size_t pixels = static_cast<size_t>(job.width) * static_cast<size_t>(job.height);
  const J_COLOR_SPACE space = job.decoder.jpeg_color_space;
  if (space == JCS_CMYK || space == JCS_YCCK) {
    job.decoder.out_color_space = JCS_CMYK;
    job.cmyk_row.resize(static_cast<size_t>(job.width) * 4);
  } else if (space == JCS_GRAYSCALE) {
    job.format = PixelFormat::Gray8;
  } else {
    job.decoder.out_color_space = JCS_RGB;
  }
  job.pixels.resize(job.format == PixelFormat::Gray8 ? pixels : pixels * 3);
}

}  // namespace

Result<DecodedImage> decode_jpeg(std::span<const std::byte> bytes, const ReduceBy& reduce_by) {
  JpegJob job{.bytes = bytes};
  job.decoder.err = jpeg_std_error(&job.errors);
  job.decoder.client_data = &job;
  job.errors.error_exit = on_error;
  job.errors.emit_message = on_message;
  job.progress.progress_monitor = on_progress;

  bool good = run(job, read_header);
  if (good) {
    if (Status status = check_image_size(job.width, job.height); !status) return status.error();
    if (reduce_by) reduce(job, reduce_by);
    choose_output(job);
    good = run(job, read_pixels);
  }
  if (job.cut_short) return Error{ErrorCode::CorruptFile, "the JPEG data is cut short", ""};
  if (!good) return Error{ErrorCode::CorruptFile, "libjpeg refuses it: " + job.reason, ""};
  if (job.damaged) return Error{ErrorCode::CorruptFile, "the JPEG data is damaged", ""};
  DecodedImage image = own_pixels(std::move(job.pixels), job.format, job.width, job.height);
  image.view.orientation = job.orientation;
  return image;
}

}  // namespace resnetft
