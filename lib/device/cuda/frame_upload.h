// SPDX-License-Identifier: MIT
// Brings frames to where a GPU's kernels read them: from the host's memory through pinned memory of its own, in one
// copy a picture; from other contexts by copies between contexts; what is there already stays.
#pragma once

#include <array>

#include "device/cuda/cuda_call.h"
#include "resnetft/image.h"

namespace resnetft {

// Of a picture, the part that its region needs, from whole chroma samples on.
ImageView needed_part(const ImageView& image);

// Works on one GPU, which is current in every call, and on one stream. Trusts its caller: views have been checked.
class FrameUpload {
 public:
  FrameUpload(int ordinal, cudaStream_t stream) : ordinal_(ordinal), stream_(stream) {}

  Status start();
  // The view that kernels read, as CudaPreprocessor::upload says.
  Result<ImageView> take(const ImageView& image);

 private:
  // Two, so that one is filled while the GPU still reads the other.
  struct Staging {
    PinnedMemory memory;
    CudaEvent read;
  };

  Result<ImageView> take_from_host(const ImageView& part);
  Result<ImageView> take_from_context(const ImageView& part);

  bool is_own(const PixelMemory& memory) const;

  const int ordinal_;
  const cudaStream_t stream_;
  void* primary_ = nullptr;
  std::array<Staging, 2> staging_;
  size_t next_ = 0;
  CudaMemory frame_;
};

}  // namespace resnetft
