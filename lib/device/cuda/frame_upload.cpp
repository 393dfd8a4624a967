// SPDX-License-Identifier: MIT
#include "device/cuda/frame_upload.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "device/cuda/cuda_context.h"
#include "device/cuda/cuda_preprocessor.h"
#include "image/geometry.h"
#include "image/pixel_format.h"

namespace resnetft {
namespace {

constexpr size_t kStagingBytes = kPreprocessorBytes;

std::vector<Plane> planes_of(const ImageView& image) {
  const std::array<int, 3> bytes = plane_row_bytes(layout_of(image.format), image.width);
  std::vector<Plane> planes;
  for (size_t i = 0; i < bytes.size() && bytes[i] > 0; ++i)
    planes.push_back(
        {i, static_cast<size_t>(bytes[i]), static_cast<size_t>(i == 0 ? image.height : (image.height + 1) / 2)});
  return planes;
}

size_t distance_of(const ImageView& image, const Plane& plane) {
  return plane.rows == 1 ? plane.row_bytes : static_cast<size_t>(std::abs(image.strides[plane.index]));
}

// From a plane's lowest address to behind its highest.
size_t extent_of(const ImageView& image, const Plane& plane) {
  return (plane.rows - 1) * distance_of(image, plane) + plane.row_bytes;
}

bool is_bottom_up(const ImageView& image, const Plane& plane) {
  return plane.rows > 1 && image.strides[plane.index] < 0;
}

// How far a plane's first row is above its lowest address.
size_t first_row_of(const ImageView& image, const Plane& plane) {
  return is_bottom_up(image, plane) ? (plane.rows - 1) * distance_of(image, plane) : 0;
}

// `count` rows from `first` on.
void copy_rows(const ImageView& image, const Plane& plane, size_t first, size_t count, uint8_t* target) {
  const ptrdiff_t stride = image.strides[plane.index];
  const uint8_t* row = image.planes[plane.index] + static_cast<ptrdiff_t>(first) * stride;
  for (size_t y = 0; y < count; ++y, row += stride, target += FrameUpload::aligned(plane.row_bytes))
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
  for (Staging& staging : stagings_) {
    if (Status status = staging.memory.reserve(kStagingBytes); !status) return status;
    if (Status status = staging.read.create(); !status) return status;
  }
  return block_.reserve(kPreprocessorBytes);
}

bool FrameUpload::is_own(const PixelMemory& memory) const {
  return memory.kind == MemoryKind::Cuda && memory.gpu == ordinal_ && (!memory.context || memory.context == primary_);
}

size_t FrameUpload::bytes_of(const ImageView& image) const {
  if (is_own(image.memory)) return 0;
  const bool is_packed = image.memory.kind == MemoryKind::Host;
  size_t bytes = 0;
  for (const Plane& plane : planes_of(image))
    bytes += is_packed ? aligned(plane.row_bytes) * plane.rows : aligned(extent_of(image, plane));
  return bytes;
}

// A kernel may be reading the block, which cudaFree() is not promised to wait for.
Status FrameUpload::grow(size_t bytes) {
  rewind(nullptr, 0);
  if (Status status = cuda_status("waiting for the GPU", cudaStreamSynchronize(stream_)); !status) return status;
  return block_.reserve(std::max(bytes, kPreprocessorBytes));
}

Result<ImageView> FrameUpload::add(const ImageView& image) {
  ImageView copy = image;
  copy.memory = {MemoryKind::Cuda, ordinal_, nullptr};
  if (is_own(image.memory)) return copy;
  const bool is_packed = image.memory.kind == MemoryKind::Host;
  for (const Plane& plane : planes_of(image))
    if (Status status = is_packed ? pack(image, plane, copy) : copy_plane(image, plane, copy); !status)
      return status.error();
  return copy;
}

Result<const uint8_t*> FrameUpload::add(std::span<const uint8_t> bytes) {
  const uint8_t* place = block_.data() + used_;
  while (!bytes.empty()) {
    const Result<std::span<uint8_t>> free = space(1);
    if (!free) return free.error();
    const size_t count = std::min(bytes.size(), free->size());
    std::memcpy(free->data(), bytes.data(), count);
    filled_ += aligned(count);
    used_ += aligned(count);
    bytes = bytes.subspan(count);
  }
  return place;
}

Status FrameUpload::pack(const ImageView& image, const Plane& plane, ImageView& copy) {
  const size_t pitch = aligned(plane.row_bytes);
  copy.planes[plane.index] = block_.data() + used_;
  copy.strides[plane.index] = static_cast<ptrdiff_t>(pitch);
  for (size_t y = 0; y < plane.rows;) {
    const Result<std::span<uint8_t>> free = space(pitch);
    if (!free) return free.error();
    const size_t rows = std::min(plane.rows - y, free->size() / pitch);
    copy_rows(image, plane, y, rows, free->data());
    filled_ += rows * pitch;
    used_ += rows * pitch;
    y += rows;
  }
  return Status::success();
}

// Planes are copied as they lie: a copy between contexts knows no rectangles.
Status FrameUpload::copy_plane(const ImageView& image, const Plane& plane, ImageView& copy) {
  const Result<void*> other = image.memory.context ? image.memory.context : primary_context(image.memory.gpu);
  if (!other) return other.error();
  if (Status status = send(); !status) return status;
  uint8_t* target = block_.data() + used_;
  const size_t bytes = extent_of(image, plane), first_row = first_row_of(image, plane);
  copy.planes[plane.index] = target + first_row;
  used_ += aligned(bytes);
  return copy_between_contexts(target, primary_, image.planes[plane.index] - first_row, *other, bytes, stream_);
}

// What is free of the staging in turn, at least `least` bytes.
Result<std::span<uint8_t>> FrameUpload::space(size_t least) {
  if (filled_ + least > kStagingBytes)
    if (Status status = change_staging(); !status) return status.error();
  return std::span(stagings_[turn_].memory.data() + filled_, kStagingBytes - filled_);
}

Status FrameUpload::change_staging() {
  if (Status status = send(); !status) return status;
  if (Status status = stagings_[turn_].read.record(stream_); !status) return status;
  turn_ = 1 - turn_;
  filled_ = sent_ = 0;
  return stagings_[turn_].read.wait();
}

Status FrameUpload::send() {
  const size_t bytes = filled_ - sent_;
  if (bytes == 0) return Status::success();
  const uint8_t* source = stagings_[turn_].memory.data() + std::exchange(sent_, filled_);
  return cuda_status("copying frames to the GPU",
                     cudaMemcpyAsync(block_.data() + used_ - bytes, source, bytes, cudaMemcpyHostToDevice, stream_));
}

// A batch that half a staging holds finds it free, and is one copy.
bool FrameUpload::rewind(const uint8_t* place, size_t bytes) {
  if (filled_ > kStagingBytes / 2) filled_ = kStagingBytes;
  sent_ = filled_;
  const bool stays = place && place == block_.data();
  used_ = stays ? aligned(bytes) : 0;
  return stays;
}

}  // namespace resnetft
