// SPDX-License-Identifier: MIT
#include "device/cuda/frame_upload.h"

#include <cstdlib>
#include <cstring>

#include "device/cuda/cuda_context.h"
#include "image/geometry.h"
#include "image/pixel_format.h"

namespace resnetft {
namespace {

// Rows of a copied plane begin where the GPU reads them at once.
size_t pitch_of(size_t row_bytes) {
  constexpr size_t kAlignment = 256;
  return (row_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

struct Plane {
  size_t index, row_bytes, rows;
};

// Those that the picture's format has.
std::array<Plane, 3> planes_of(const ImageView& image) {
  const std::array<int, 3> bytes = plane_row_bytes(layout_of(image.format), image.width);
  std::array<Plane, 3> planes = {};
  for (size_t i = 0; i < planes.size(); ++i) {
    const int rows = bytes[i] == 0 ? 0 : i == 0 ? image.height : (image.height + 1) / 2;
    planes[i] = {i, static_cast<size_t>(bytes[i]), static_cast<size_t>(rows)};
  }
  return planes;
}

size_t distance_of(const ImageView& image, const Plane& plane) {
  return plane.rows == 1 ? plane.row_bytes : static_cast<size_t>(std::abs(image.strides[plane.index]));
}

// From a plane's lowest address to behind its highest.
size_t bytes_of(const ImageView& image, const Plane& plane) {
  return plane.rows == 0 ? 0 : (plane.rows - 1) * distance_of(image, plane) + plane.row_bytes;
}

bool is_bottom_up(const ImageView& image, const Plane& plane) {
  return plane.rows > 1 && image.strides[plane.index] < 0;
}

// How far a plane's first row is above its lowest address.
size_t first_row_of(const ImageView& image, const Plane& plane) {
  return is_bottom_up(image, plane) ? (plane.rows - 1) * distance_of(image, plane) : 0;
}

void copy_rows(const ImageView& image, const Plane& plane, uint8_t* target, size_t pitch) {
  const uint8_t* row = image.planes[plane.index];
  for (size_t y = 0; y < plane.rows; ++y, row += image.strides[plane.index], target += pitch)
    std::memcpy(target, row, plane.row_bytes);
}

}  // namespace

ImageView needed_part(const ImageView& image) {
  const Region region = region_of(image);
  const FormatLayout& layout = layout_of(image.format);
  const int x = region.x / 2 * 2, y = region.y / 2 * 2;
  const std::array<int, 3> offsets = plane_row_bytes(layout, x);
  ImageView part = image;
  for (size_t i = 0; i < part.planes.size(); ++i)
    if (part.planes[i]) part.planes[i] += (i == 0 ? y : y / 2) * image.strides[i] + offsets[i];
  part.width = region.x + region.width - x;
  part.height = region.y + region.height - y;
  part.region = {region.x - x, region.y - y, region.width, region.height};
  return part;
}

Status FrameUpload::start() {
  const Result<void*> primary = primary_context(ordinal_);
  if (!primary) return primary.error();
  primary_ = *primary;
  for (Staging& staging : staging_)
    if (Status status = staging.read.create(); !status) return status;
  return Status::success();
}

Result<ImageView> FrameUpload::take(const ImageView& image) {
  if (image.memory.kind == MemoryKind::Host) return take_from_host(needed_part(image));
  if (!is_own(image.memory)) return take_from_context(needed_part(image));
  ImageView own = image;
  own.memory.context = nullptr;
  return own;
}

bool FrameUpload::is_own(const PixelMemory& memory) const {
  return memory.gpu == ordinal_ && (!memory.context || memory.context == primary_);
}

// Kernels that read the picture before are on the same stream, in front of the copy over it.
Result<ImageView> FrameUpload::take_from_host(const ImageView& part) {
  Staging& staging = staging_[next_++ % staging_.size()];
  if (Status status = staging.read.wait(); !status) return status.error();
  const std::array<Plane, 3> planes = planes_of(part);
  size_t total = 0;
  for (const Plane& plane : planes) total += pitch_of(plane.row_bytes) * plane.rows;
  if (Status status = staging.memory.reserve(total); !status) return status.error();
  if (Status status = frame_.reserve(total); !status) return status.error();
  ImageView copy = part;
  copy.memory = {MemoryKind::Cuda, ordinal_, nullptr};
  size_t at = 0;
  for (const Plane& plane : planes) {
    if (plane.rows == 0) continue;
    const size_t pitch = pitch_of(plane.row_bytes);
    copy_rows(part, plane, staging.memory.data() + at, pitch);
    copy.planes[plane.index] = frame_.data() + at;
    copy.strides[plane.index] = static_cast<ptrdiff_t>(pitch);
    at += pitch * plane.rows;
  }
  const Status status =
      cuda_status("copying a frame to the GPU",
                  cudaMemcpyAsync(frame_.data(), staging.memory.data(), total, cudaMemcpyHostToDevice, stream_));
  if (!status) return status.error();
  if (Status recorded = staging.read.record(stream_); !recorded) return recorded.error();
  return copy;
}

// Planes are copied as they lie: a copy between contexts knows no rectangles.
Result<ImageView> FrameUpload::take_from_context(const ImageView& part) {
  const Result<void*> other = part.memory.context ? part.memory.context : primary_context(part.memory.gpu);
  if (!other) return other.error();
  const std::array<Plane, 3> planes = planes_of(part);
  size_t total = 0;
  for (const Plane& plane : planes) total += pitch_of(bytes_of(part, plane));
  if (Status status = frame_.reserve(total); !status) return status.error();
  ImageView copy = part;
  copy.memory = {MemoryKind::Cuda, ordinal_, nullptr};
  size_t at = 0;
  for (const Plane& plane : planes) {
    if (plane.rows == 0) continue;
    const size_t bytes = bytes_of(part, plane), first_row = first_row_of(part, plane);
    const Status status = copy_between_contexts(frame_.data() + at, primary_, part.planes[plane.index] - first_row,
                                                *other, bytes, stream_);
    if (!status) return status.error();
    copy.planes[plane.index] = frame_.data() + at + first_row;
    at += pitch_of(bytes);
  }
  return copy;
}

}  // namespace resnetft
