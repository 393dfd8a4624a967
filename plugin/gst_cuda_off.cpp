// SPDX-License-Identifier: MIT
#include "gst_cuda.h"

namespace resnetft {

std::span<const GstVideoFormat> cuda_formats() { return {}; }
std::optional<CudaFrame> find_cuda_frame(GstBuffer*) { return std::nullopt; }
void wait_for_cuda_frame(GstBuffer*) {}

void GpuContext::open(GstElement*, const std::string&) {
  const std::scoped_lock guard(lock_);
  open_ = true;
}
void GpuContext::close() {
  const std::scoped_lock guard(lock_);
  open_ = false;
}
bool GpuContext::is_offered() const { return false; }
bool GpuContext::is_open() const {
  const std::scoped_lock guard(lock_);
  return open_;
}
bool GpuContext::answer(GstElement*, GstQuery*) const { return false; }

}  // namespace resnetft
