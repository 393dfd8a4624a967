// SPDX-License-Identifier: MIT
#include "frame_view.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "gst_cuda.h"

namespace resnetft {
namespace {

struct FormatRow {
  GstVideoFormat gst;
  PixelFormat format;
};

constexpr std::array kFormats = {
    FormatRow{GST_VIDEO_FORMAT_RGB, PixelFormat::Rgb},     FormatRow{GST_VIDEO_FORMAT_BGR, PixelFormat::Bgr},
    FormatRow{GST_VIDEO_FORMAT_RGBA, PixelFormat::Rgba},   FormatRow{GST_VIDEO_FORMAT_BGRA, PixelFormat::Bgra},
    FormatRow{GST_VIDEO_FORMAT_RGBx, PixelFormat::Rgbx},   FormatRow{GST_VIDEO_FORMAT_BGRx, PixelFormat::Bgrx},
    FormatRow{GST_VIDEO_FORMAT_xRGB, PixelFormat::Xrgb},   FormatRow{GST_VIDEO_FORMAT_xBGR, PixelFormat::Xbgr},
    FormatRow{GST_VIDEO_FORMAT_ARGB, PixelFormat::Argb},   FormatRow{GST_VIDEO_FORMAT_ABGR, PixelFormat::Abgr},
    FormatRow{GST_VIDEO_FORMAT_GRAY8, PixelFormat::Gray8}, FormatRow{GST_VIDEO_FORMAT_NV12, PixelFormat::Nv12},
    FormatRow{GST_VIDEO_FORMAT_NV21, PixelFormat::Nv21},   FormatRow{GST_VIDEO_FORMAT_I420, PixelFormat::I420},
    FormatRow{GST_VIDEO_FORMAT_YV12, PixelFormat::Yv12},   FormatRow{GST_VIDEO_FORMAT_YUY2, PixelFormat::Yuy2},
    FormatRow{GST_VIDEO_FORMAT_UYVY, PixelFormat::Uyvy},
};

struct OrientationRow {
  std::string_view tag;
  Orientation orientation;
};

// The tag says: mirror left to right first where it begins with "flip", then turn clockwise.
constexpr std::array kOrientations = {
    OrientationRow{"rotate-0", Orientation::Normal},
    OrientationRow{"rotate-90", Orientation::Rotate90Clockwise},
    OrientationRow{"rotate-180", Orientation::Rotate180},
    OrientationRow{"rotate-270", Orientation::Rotate90CounterClockwise},
    OrientationRow{"flip-rotate-0", Orientation::FlipHorizontal},
    OrientationRow{"flip-rotate-90", Orientation::Transverse},
    OrientationRow{"flip-rotate-180", Orientation::FlipVertical},
    OrientationRow{"flip-rotate-270", Orientation::Transpose},
};

// Two old American matrices have no row of their own: SMPTE 240M is nearest to BT.709, FCC is BT.601 but for rounding.
ColorMatrix color_matrix(GstVideoColorMatrix matrix) {
  switch (matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
      return ColorMatrix::Bt709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return ColorMatrix::Bt2020;
    default:
      return ColorMatrix::Bt601;
  }
}

const FormatRow* find_format(GstVideoFormat format) {
  for (const FormatRow& row : kFormats)
    if (row.gst == format) return &row;
  return nullptr;
}

std::string caps_text(std::span<const GstVideoFormat> formats) {
  std::string names;
  for (const GstVideoFormat format : formats)
    names += (names.empty() ? "" : ", ") + std::string(gst_video_format_to_string(format));
  return "format = (string) { " + names +
         " }, width = (int) [ 1, 32768 ], height = (int) [ 1, 32768 ], framerate = (fraction) [ 0, max ]";
}

Region crop_of(GstBuffer* buffer, int width, int height) {
  const GstVideoCropMeta* crop = gst_buffer_get_video_crop_meta(buffer);
  if (!crop) return {};
  const uint64_t right = uint64_t{crop->x} + crop->width, bottom = uint64_t{crop->y} + crop->height;
  if (crop->width == 0 || crop->height == 0 || right > static_cast<uint64_t>(width) ||
      bottom > static_cast<uint64_t>(height))
    return {};
  return {static_cast<int>(crop->x), static_cast<int>(crop->y), static_cast<int>(crop->width),
          static_cast<int>(crop->height)};
}

}  // namespace

std::string video_caps_text() {
  std::array<GstVideoFormat, kFormats.size()> formats;
  std::ranges::transform(kFormats, formats.begin(), &FormatRow::gst);
  return caps_text(formats);
}

std::string cuda_caps_text() { return cuda_formats().empty() ? "" : caps_text(cuda_formats()); }

Result<MappedFrame> MappedFrame::map(GstBuffer* buffer, const GstVideoInfo& info, Orientation orientation,
                                     FrameReader reader) {
  const FormatRow* row = find_format(GST_VIDEO_INFO_FORMAT(&info));
  if (!row)
    return Error{ErrorCode::Incompatible,
                 "video format " + std::string(gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&info))) +
                     " is not one of those that can be classified",
                 "put a videoconvert before the element"};
  MappedFrame mapped;
  const std::optional<CudaFrame> cuda = find_cuda_frame(buffer);
  const bool on_gpu = cuda && reader == FrameReader::Gpu;
  const int flags = int{GST_MAP_READ} | int{GST_VIDEO_FRAME_MAP_FLAG_NO_REF} | (on_gpu ? int{cuda->map_flag} : 0);
  if (!gst_video_frame_map(&mapped.frame_, cuda ? &cuda->info : &info, buffer, static_cast<GstMapFlags>(flags))) {
    mapped.frame_.buffer = nullptr;
    return Error{ErrorCode::Io,
                 "a buffer of " + std::to_string(gst_buffer_get_size(buffer)) + " bytes is no " +
                     std::to_string(GST_VIDEO_INFO_WIDTH(&info)) + "x" + std::to_string(GST_VIDEO_INFO_HEIGHT(&info)) +
                     " frame that can be read",
                 "check the caps that the buffer came with"};
  }
  ImageView& view = mapped.view_;
  view.format = row->format;
  view.width = GST_VIDEO_FRAME_WIDTH(&mapped.frame_);
  view.height = GST_VIDEO_FRAME_HEIGHT(&mapped.frame_);
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(&mapped.frame_); ++i) {
    view.planes[i] = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&mapped.frame_, i));
    view.strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE(&mapped.frame_, i);
  }
  view.matrix = color_matrix(info.colorimetry.matrix);
  view.range = info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 ? ColorRange::Full : ColorRange::Limited;
  view.orientation = orientation;
  view.region = crop_of(buffer, view.width, view.height);
  if (on_gpu) {
    wait_for_cuda_frame(buffer);
    view.memory = cuda->memory;
  }
  return mapped;
}

Result<MappedFrame> MappedFrame::map_sample(GstSample* sample, const char* action) {
  GstCaps* caps = sample ? gst_sample_get_caps(sample) : nullptr;
  GstBuffer* buffer = sample ? gst_sample_get_buffer(sample) : nullptr;
  GstVideoInfo info;
  if (!caps || !buffer || !gst_video_info_from_caps(&info, caps))
    return Error{ErrorCode::InvalidArgument, std::string(action) + ": the sample holds no video frame",
                 "give it a buffer and video/x-raw caps"};
  return map(buffer, info, Orientation::Normal);
}

MappedFrame::MappedFrame(MappedFrame&& other) noexcept : frame_(other.frame_), view_(other.view_) {
  other.frame_.buffer = nullptr;
}

MappedFrame::~MappedFrame() {
  if (frame_.buffer) gst_video_frame_unmap(&frame_);
}

bool orientation_from_tags(const GstTagList* tags, Orientation* orientation) {
  gchar* text = nullptr;
  if (!gst_tag_list_get_string(tags, GST_TAG_IMAGE_ORIENTATION, &text)) return false;
  const TextPtr owner(text);
  for (const OrientationRow& row : kOrientations) {
    if (row.tag != text) continue;
    *orientation = row.orientation;
    return true;
  }
  return false;
}

}  // namespace resnetft
