// SPDX-License-Identifier: MIT
// Runs the frame kernel's text on the host: block by block, thread by thread, in the memory of the process.
#pragma once

#include <vector>

#include "device/cuda/frame_kernel.h"
#include "device/cuda/frame_plan.h"
#include "tests/support/turn_threads.h"

namespace resnetft::testing {

template <FormatFamily family>
void run_tiles(const FrameTask& task) {
  TurnThreads<kTileThreads> threads;
  std::vector<FramePixel> chunk(kChunkPixels);
  for (int y = 0; y * kTileRows < task.height; ++y)
    for (int x = 0; x * kTileColumns < task.width; ++x) make_frame_tile<family>(task, x, y, chunk.data(), threads);
}

inline void run_tiles(const FrameTask& task) {
  switch (task.source.family) {
    case FormatFamily::Packed:
      return run_tiles<FormatFamily::Packed>(task);
    case FormatFamily::SemiPlanar420:
      return run_tiles<FormatFamily::SemiPlanar420>(task);
    case FormatFamily::Planar420:
      return run_tiles<FormatFamily::Planar420>(task);
    case FormatFamily::Packed422:
      return run_tiles<FormatFamily::Packed422>(task);
  }
}

// [crop_height, crop_width, 3] of `Number`, float or the bits of a half or bfloat16.
template <class Number>
std::vector<Number> host_kernel_output(const PreprocessSpec& spec, NumberType number, const ImageView& image,
                                       const FrameChange& change = {}) {
  FramePlan plan(spec, number);
  plan.prepare(image);
  std::vector<Number> output(static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3);
  run_tiles(plan.task(image, change, plan.tables().data(), output.data()));
  return output;
}

}  // namespace resnetft::testing
