// SPDX-License-Identifier: MIT
// Frames in a GPU's memory (gstreamer-cuda). Meson chooses gst_cuda_on.cpp or gst_cuda_off.cpp; without it no caps name
// such memory. Nothing here touches CUDA but GpuContext::open() and the mapping of a frame that came in such memory.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "gst_ref.h"
#include "resnetft/image.h"

namespace resnetft {

inline constexpr const char* kCudaMemoryFeature = "memory:CUDAMemory";

// Those of the elements' formats that such memory can hold; none without gstreamer-cuda.
std::span<const GstVideoFormat> cuda_formats();

// A buffer's frame as it lies in a GPU's memory.
struct CudaFrame {
  GstVideoInfo info;  // where the planes begin and how long their rows are, unless a GstVideoMeta says so
  PixelMemory memory;
  GstMapFlags map_flag;  // maps addresses on the GPU; without it the frame is copied to the host's memory
};
std::optional<CudaFrame> find_cuda_frame(GstBuffer* buffer);

// Until what was written to a frame by its producer is there; for one that is mapped on the GPU.
void wait_for_cuda_frame(GstBuffer* buffer);

// An element's part in the sharing of CUDA contexts. It offers the one that the application or a neighbour has for its
// GPU, so that none of them need copy, else the GPU's primary context, in which CUDA's runtime and LibTorch work.
// Thread-safe.
class GpuContext {
 public:
  // NULL to READY, `device` as the property says. Without such a GPU nothing is offered; loading a model says why.
  void open(GstElement* element, const std::string& device);
  void close();

  // Open, and there is a GPU.
  bool is_offered() const;
  // open() has been called, and close() has not.
  bool is_open() const;
  // A neighbour's GST_QUERY_CONTEXT; false: somebody else must answer.
  bool answer(GstElement* element, GstQuery* query) const;

 private:
  mutable std::mutex lock_;  // held only to copy; innermost
  bool open_ = false;
  GRef<GstObject> context_;  // a GstCudaContext
};

}  // namespace resnetft
