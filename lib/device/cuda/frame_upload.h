// SPDX-License-Identifier: MIT
// Brings what kernels read to where a GPU reads it: from the host's memory packed behind each other in pinned memory,
// so that one copy takes a batch; from other contexts by copies between contexts; what is there already stays.
#pragma once

#include <array>
#include <span>

#include "device/cuda/cuda_call.h"
#include "resnetft/image.h"

namespace resnetft {

// Of a picture, the part that its region needs, from whole chroma samples on.
ImageView needed_part(const ImageView& image);

// A plane that the picture's format has.
struct Plane {
  size_t index, row_bytes, rows;
};

// Works on one GPU, which is current in every call, and on one stream. Trusts its caller: views have been checked.
//
// What is added lies in one block of the GPU's memory, in the order in which it came. Once the kernels that read it are
// queued, rewind() begins the block anew: the stream has copies over it wait for them.
class FrameUpload {
 public:
  FrameUpload(int ordinal, cudaStream_t stream) : ordinal_(ordinal), stream_(stream) {}

  Status start();

  // Whatever is added begins at a multiple of 256 bytes, as do the rows of a copied plane: the GPU reads them at once.
  static size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
  // What add() takes of the block: nothing for a picture that stays where it is.
  size_t bytes_of(const ImageView& image) const;
  bool has_room(size_t bytes) const { return used_ + bytes <= block_.bytes(); }
  // Waits for the GPU. What was added is lost.
  Status grow(size_t bytes);

  // The view that kernels read once send() was called. Of the host's memory nothing is read later.
  Result<ImageView> add(const ImageView& image);
  Result<const uint8_t*> add(std::span<const uint8_t> bytes);
  // Queues the copy of what was packed.
  Status send();
  // Forgets what was added, and packed but not sent; but for `bytes` at `place`, if they are the first: then true.
  bool rewind(const uint8_t* place, size_t bytes);

 private:
  // Two, so that one is filled while the GPU still reads the other.
  struct Staging {
    PinnedMemory memory;
    CudaEvent read;
  };

  bool is_own(const PixelMemory& memory) const;
  Status pack(const ImageView& image, const Plane& plane, ImageView& copy);
  Status copy_plane(const ImageView& image, const Plane& plane, ImageView& copy);
  Result<std::span<uint8_t>> space(size_t least);
  Status change_staging();

  static constexpr size_t kAlignment = 256;

  const int ordinal_;
  const cudaStream_t stream_;
  void* primary_ = nullptr;
  CudaMemory block_;
  size_t used_ = 0;  // of the block
  std::array<Staging, 2> stagings_;
  size_t turn_ = 0;
  size_t filled_ = 0, sent_ = 0;  // of the staging in turn; between them lies the end of what is used of the block
};

}  // namespace resnetft
