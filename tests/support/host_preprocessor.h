// SPDX-License-Identifier: MIT
// What preprocesses on a device, for one whose memory is the host's: the kernels' text, run here.
#pragma once

#include "device/cuda/mixup_kernel.h"
#include "device/cuda_module.h"
#include "tests/support/host_frame_kernel.h"

namespace resnetft::testing {

// What the preprocessors of a test did, and what they are to do.
struct HostPreprocessing {
  int frames = 0, mixups = 0;
  int frames_with_memory = -1;  // after so many, memory has run out; negative: never
};

class HostPreprocessor : public CudaPreprocessor {
 public:
  HostPreprocessor(const CudaPreprocessorOptions& options, HostPreprocessing& shared)
      : spec_(options.spec), plan_(options.spec, options.number), shared_(shared) {}

  Status run(const ImageView& image, const FrameChange& change, void* output) override {
    if (image.memory.kind != MemoryKind::Cuda)
      return Error{ErrorCode::InvalidArgument, "a picture of which nobody said that it lies on the device", ""};
    if (shared_.frames == shared_.frames_with_memory)
      return Error{ErrorCode::OutOfMemory, "the stand-in's memory ran out", ""};
    ++shared_.frames;
    plan_.prepare(image);
    run_tiles(plan_.task(image, change, plan_.tables().data(), output));
    return Status::success();
  }

  Status mixup(void* pictures, int64_t count, double keep) override {
    ++shared_.mixups;
    const int64_t values = int64_t{3} * spec_.crop_width * spec_.crop_height;
    for (int64_t place = 0; place < values; ++place)
      mix_place<Float32Numbers>(static_cast<float*>(pictures), count, values, place, static_cast<float>(keep),
                                static_cast<float>(1 - keep));
    return Status::success();
  }

  Status flush() override { return Status::success(); }

  Status wait() override { return Status::success(); }

 private:
  PreprocessSpec spec_;
  FramePlan plan_;
  HostPreprocessing& shared_;
};

}  // namespace resnetft::testing
