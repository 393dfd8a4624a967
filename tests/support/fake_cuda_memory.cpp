// SPDX-License-Identifier: MIT
// More of the driver that is the host (fake_cuda_driver.cpp): what gstreamer-cuda asks of it. Contexts are addresses,
// and memory is the process'.
#include <cuda.h>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

thread_local std::vector<CUcontext> contexts;  // those that are pushed
int copies = 0;

size_t pitch_of(size_t bytes) { return (bytes + 511) / 512 * 512; }

const unsigned char* source_of(const CUDA_MEMCPY2D& copy) {
  return copy.srcMemoryType == CU_MEMORYTYPE_HOST ? static_cast<const unsigned char*>(copy.srcHost)
                                                  : reinterpret_cast<const unsigned char*>(copy.srcDevice);
}

unsigned char* target_of(const CUDA_MEMCPY2D& copy) {
  return copy.dstMemoryType == CU_MEMORYTYPE_HOST ? static_cast<unsigned char*>(copy.dstHost)
                                                  : reinterpret_cast<unsigned char*>(copy.dstDevice);
}

}  // namespace

extern "C" {

int fake_cuda_copies();  // between the host and the GPU, since the process began
int fake_cuda_copies() { return copies; }

CUresult cuGetErrorName(CUresult, const char** name) { return *name = "CUDA_ERROR_FAKE", CUDA_SUCCESS; }
CUresult cuGetErrorString(CUresult, const char** text) { return *text = "fake", CUDA_SUCCESS; }

CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device);
CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice) {
  *context = static_cast<CUcontext>(std::malloc(1));
  contexts.push_back(*context);
  return CUDA_SUCCESS;
}
CUresult cuCtxDestroy(CUcontext context) { return std::free(context), CUDA_SUCCESS; }
CUresult cuCtxPushCurrent(CUcontext context) { return contexts.push_back(context), CUDA_SUCCESS; }
CUresult cuCtxPopCurrent(CUcontext* context) {
  if (contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context) *context = contexts.back();
  contexts.pop_back();
  return CUDA_SUCCESS;
}
CUresult cuCtxEnablePeerAccess(CUcontext, unsigned) { return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED; }
CUresult cuCtxDisablePeerAccess(CUcontext) { return CUDA_ERROR_PEER_ACCESS_NOT_ENABLED; }
CUresult cuDeviceCanAccessPeer(int* can, CUdevice, CUdevice) { return *can = 0, CUDA_SUCCESS; }

CUresult cuMemAlloc(CUdeviceptr* memory, size_t bytes) {
  if (contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  *memory = reinterpret_cast<CUdeviceptr>(std::malloc(bytes));
  return CUDA_SUCCESS;
}
CUresult cuMemAllocPitch(CUdeviceptr* memory, size_t* pitch, size_t row_bytes, size_t rows, unsigned) {
  *pitch = pitch_of(row_bytes);
  return cuMemAlloc(memory, *pitch * rows);
}
CUresult cuMemFree(CUdeviceptr memory) { return std::free(reinterpret_cast<void*>(memory)), CUDA_SUCCESS; }
CUresult cuMemAllocHost(void** memory, size_t bytes) { return *memory = std::malloc(bytes), CUDA_SUCCESS; }
CUresult cuMemFreeHost(void* memory) { return std::free(memory), CUDA_SUCCESS; }
CUresult cuMemcpy2D(const CUDA_MEMCPY2D* copy) {
  if (contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (copy->srcMemoryType == CU_MEMORYTYPE_HOST || copy->dstMemoryType == CU_MEMORYTYPE_HOST) ++copies;
  for (size_t row = 0; row < copy->Height; ++row)
    std::memcpy(target_of(*copy) + row * copy->dstPitch, source_of(*copy) + row * copy->srcPitch, copy->WidthInBytes);
  return CUDA_SUCCESS;
}
CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D* copy, CUstream) { return cuMemcpy2D(copy); }

CUresult cuStreamCreate(CUstream* stream, unsigned) { return *stream = nullptr, CUDA_SUCCESS; }
CUresult cuStreamDestroy_v2(CUstream) { return CUDA_SUCCESS; }
#undef cuStreamDestroy  // GStreamer 1.22 looks for the first of that name
CUresult cuStreamDestroy(CUstream stream);
CUresult cuStreamDestroy(CUstream) { return CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream) { return CUDA_SUCCESS; }
}
