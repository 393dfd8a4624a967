// SPDX-License-Identifier: MIT
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

#include <array>

#include "base/log.h"
#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "gst_cuda.h"

namespace resnetft {
namespace {

constexpr std::array kCudaFormats = {
    GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_NV21, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_YV12, GST_VIDEO_FORMAT_YUY2,
    GST_VIDEO_FORMAT_UYVY, GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA, GST_VIDEO_FORMAT_ARGB, GST_VIDEO_FORMAT_ABGR,
    GST_VIDEO_FORMAT_RGBx, GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_RGB,  GST_VIDEO_FORMAT_BGR};

GstCudaMemory* cuda_memory_of(GstBuffer* buffer) {
  GstMemory* memory = gst_buffer_n_memory(buffer) > 0 ? gst_buffer_peek_memory(buffer, 0) : nullptr;
  return memory && gst_is_cuda_memory(memory) ? GST_CUDA_MEMORY_CAST(memory) : nullptr;
}

int gpu_of(GstCudaContext* context) {
  guint ordinal = 0;
  g_object_get(context, "cuda-device-id", &ordinal, nullptr);
  return static_cast<int>(ordinal);
}

GRef<GstObject> wrap_primary_context(int ordinal) {
  const Result<const CudaModule*> module = cuda_module();
  const Result<void*> primary = module ? (*module)->primary_context(ordinal) : Result<void*>(module.error());
  if (!primary) {
    log(LogLevel::Warning, "no CUDA context is offered: " + primary.error().message);
    return {};
  }
  CUdevice device = 0;
  if (!gst_cuda_load_library() || CuDeviceGet(&device, ordinal) != CUDA_SUCCESS) {
    log(LogLevel::Warning, "no CUDA context is offered: gstreamer-cuda cannot use the NVIDIA driver");
    return {};
  }
  GstCudaContext* wrapped = gst_cuda_context_new_wrapped(static_cast<CUcontext>(*primary), device);
  return GRef<GstObject>::adopt(reinterpret_cast<GstObject*>(wrapped));
}

// That of the GPU, or none.
GRef<GstObject> cuda_context_in(GstContext* context, int ordinal) {
  GstCudaContext* found = nullptr;
  if (!context || !gst_structure_get(gst_context_get_structure(context), GST_CUDA_CONTEXT_TYPE, GST_TYPE_CUDA_CONTEXT,
                                     &found, nullptr))
    return {};
  auto owned = GRef<GstObject>::adopt(reinterpret_cast<GstObject*>(found));
  return found && gpu_of(found) == ordinal ? owned : GRef<GstObject>();
}

// By an application or a bin, on the element.
GRef<GstObject> context_that_was_set(GstElement* element, int ordinal) {
  const auto set = GRef<GstContext>::adopt(gst_element_get_context(element, GST_CUDA_CONTEXT_TYPE));
  return cuda_context_in(set.get(), ordinal);
}

GRef<GstObject> context_of_neighbour(GstElement* element, const char* pad_name, int ordinal) {
  const auto pad = GRef<GstPad>::adopt(gst_element_get_static_pad(element, pad_name));
  const auto query = GRef<GstQuery>::adopt(gst_query_new_context(GST_CUDA_CONTEXT_TYPE));
  GstContext* context = nullptr;
  if (gst_pad_peer_query(pad.get(), query.get())) gst_query_parse_context(query.get(), &context);
  return cuda_context_in(context, ordinal);
}

// One that others have: an encoder copies frames of another context than its own through the host's memory.
GRef<GstObject> find_context(GstElement* element, int ordinal) {
  GRef<GstObject> found = context_that_was_set(element, ordinal);
  if (!found) found = context_of_neighbour(element, "src", ordinal);
  if (!found) found = context_of_neighbour(element, "sink", ordinal);
  if (found) return found;
  gst_element_post_message(element, gst_message_new_need_context(GST_OBJECT(element), GST_CUDA_CONTEXT_TYPE));
  return context_that_was_set(element, ordinal);
}

}  // namespace

std::span<const GstVideoFormat> cuda_formats() { return kCudaFormats; }

std::optional<CudaFrame> find_cuda_frame(GstBuffer* buffer) {
  GstCudaMemory* memory = cuda_memory_of(buffer);
  if (!memory) return std::nullopt;
  return CudaFrame{memory->info,
                   {MemoryKind::Cuda, gpu_of(memory->context), gst_cuda_context_get_handle(memory->context)},
                   static_cast<GstMapFlags>(GST_MAP_CUDA)};
}

// GStreamer 1.22 knows no streams of memory: there its elements have waited before they push. Only what
// gst_memory_copy() made may be under way, in the default stream, in which all else of the process may work, too long
// to wait for.
void wait_for_cuda_frame([[maybe_unused]] GstBuffer* buffer) {
#if GST_CHECK_VERSION(1, 24, 0)
  if (GstCudaMemory* memory = cuda_memory_of(buffer)) gst_cuda_memory_sync(memory);
#endif
}

// The state changes of a pipeline go from its end to its beginning: what comes after the element has a context, if it
// needs one. The message reaches the elements before it that ask their bin.
void GpuContext::open(GstElement* element, const std::string& device) {
  const Result<Device> chosen = choose_device(device);
  GRef<GstObject> context, made;
  if (chosen && chosen->cuda) context = find_context(element, chosen->ordinal);
  if (chosen && chosen->cuda && !context) context = made = wrap_primary_context(chosen->ordinal);
  {
    const std::scoped_lock guard(lock_);
    open_ = true;
    context_ = context;
  }
  if (made)
    gst_element_post_message(
        element, gst_message_new_have_context(GST_OBJECT(element),
                                              gst_context_new_cuda_context(GST_CUDA_CONTEXT_CAST(made.get()))));
}

void GpuContext::close() {
  GRef<GstObject> unused;
  const std::scoped_lock guard(lock_);
  open_ = false;
  std::swap(unused, context_);
}

bool GpuContext::is_offered() const {
  const std::scoped_lock guard(lock_);
  return static_cast<bool>(context_);
}

bool GpuContext::is_open() const {
  const std::scoped_lock guard(lock_);
  return open_;
}

bool GpuContext::answer(GstElement* element, GstQuery* query) const {
  GRef<GstObject> context;
  {
    const std::scoped_lock guard(lock_);
    context = context_;
  }
  return context && gst_cuda_handle_context_query(element, query, GST_CUDA_CONTEXT_CAST(context.get()));
}

}  // namespace resnetft
