// SPDX-License-Identifier: MIT
// A libcuda.so.1 that says what the environment tells it to: FAKE_CUDA_INIT (what cuInit returns), FAKE_CUDA_VERSION,
// FAKE_CUDA_GPUS (how many), FAKE_CUDA_CAPABILITY ("70"). Makes no context: enough for all that is asked before one.
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

}  // namespace

extern "C" {
int cuInit(unsigned flags);
int cuDriverGetVersion(int* version);
int cuDeviceGetCount(int* count);
int cuDeviceGet(int* device, int ordinal);
int cuDeviceGetName(char* name, int length, int device);
int cuDeviceGetAttribute(int* value, int attribute, int device);
int cuDeviceTotalMem_v2(size_t* bytes, int device);

int cuInit(unsigned) { return setting("FAKE_CUDA_INIT", 0); }
int cuDriverGetVersion(int* version) { return *version = setting("FAKE_CUDA_VERSION", 13000), 0; }
int cuDeviceGetCount(int* count) { return *count = setting("FAKE_CUDA_GPUS", 1), 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char* name, int length, int) {
  std::strncpy(name, "Fake GPU", static_cast<size_t>(length));
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  const int capability = setting("FAKE_CUDA_CAPABILITY", 90);
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = size_t{8} << 30, 0; }
}

// What gstreamer-cuda looks for and tests do not call.
#define RESNETFT_NOT_THERE(name) \
  int name();                    \
  int name() { return 801; } /* CUDA_ERROR_NOT_SUPPORTED */
extern "C" {
RESNETFT_NOT_THERE(cuGraphicsMapResources)
RESNETFT_NOT_THERE(cuGraphicsUnmapResources)
RESNETFT_NOT_THERE(cuGraphicsUnregisterResource)
RESNETFT_NOT_THERE(cuGraphicsGLRegisterImage)
RESNETFT_NOT_THERE(cuGraphicsGLRegisterBuffer)
RESNETFT_NOT_THERE(cuGraphicsResourceSetMapFlags_v2)
RESNETFT_NOT_THERE(cuGraphicsSubResourceGetMappedArray)
RESNETFT_NOT_THERE(cuGraphicsResourceGetMappedPointer_v2)
RESNETFT_NOT_THERE(cuGLGetDevices_v2)
RESNETFT_NOT_THERE(cuModuleLoadData)
RESNETFT_NOT_THERE(cuModuleUnload)
RESNETFT_NOT_THERE(cuModuleGetFunction)
RESNETFT_NOT_THERE(cuTexObjectCreate)
RESNETFT_NOT_THERE(cuTexObjectDestroy)
RESNETFT_NOT_THERE(cuLaunchKernel)
// From GStreamer 1.24 on.
RESNETFT_NOT_THERE(cuCtxSynchronize)
RESNETFT_NOT_THERE(cuMemcpyDtoD_v2)
RESNETFT_NOT_THERE(cuMemcpyDtoDAsync_v2)
RESNETFT_NOT_THERE(cuMemcpyDtoH_v2)
RESNETFT_NOT_THERE(cuMemcpyDtoHAsync_v2)
RESNETFT_NOT_THERE(cuMemcpyHtoD_v2)
RESNETFT_NOT_THERE(cuMemcpyHtoDAsync_v2)
RESNETFT_NOT_THERE(cuEventCreate)
RESNETFT_NOT_THERE(cuEventDestroy_v2)
RESNETFT_NOT_THERE(cuEventRecord)
RESNETFT_NOT_THERE(cuEventSynchronize)
RESNETFT_NOT_THERE(cuIpcGetEventHandle)
RESNETFT_NOT_THERE(cuIpcOpenEventHandle)
RESNETFT_NOT_THERE(cuIpcGetMemHandle)
RESNETFT_NOT_THERE(cuIpcOpenMemHandle)
RESNETFT_NOT_THERE(cuIpcCloseMemHandle)
RESNETFT_NOT_THERE(cuMemsetD2D32Async)
RESNETFT_NOT_THERE(cuMemsetD2D32_v2)
RESNETFT_NOT_THERE(cuMemsetD2D16Async)
RESNETFT_NOT_THERE(cuMemsetD2D16_v2)
RESNETFT_NOT_THERE(cuMemsetD2D8Async)
RESNETFT_NOT_THERE(cuMemsetD2D8_v2)
RESNETFT_NOT_THERE(cuCtxSetLimit)
RESNETFT_NOT_THERE(cuCtxGetLimit)
}
