// SPDX-License-Identifier: MIT
// All that needs CUDA lives in libresnetft-cuda.so, which is opened on first need. It is linked with CUDA's runtime
// statically and with no driver, so that it opens, and says why it cannot be used, on machines without a GPU.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "device/frame_change.h"
#include "resnetft/error.h"
#include "resnetft/preprocess.h"

namespace resnetft {

class Engine;
struct EngineSpec;
struct FloatTensor;
struct ModelCard;

inline constexpr unsigned kCudaModuleVersion = 5;
// Compute capability of the oldest GPU that the kernels are built for.
inline constexpr int kOldestCudaMajor = 7, kOldestCudaMinor = 5;

// From frames to a model's input on one GPU: the Preprocessor's bits, stored as `number`. Used by one thread at a
// time; changes the current device and context of no thread.
class CudaPreprocessor {
 public:
  virtual ~CudaPreprocessor() = default;

  // Makes [crop_height, crop_width, 3] at `output`, in this GPU's memory, of a picture. One in the host's memory has
  // been read when this returns, and goes to the GPU together with others, by flush() at the latest. One in a GPU's is
  // queued when this returns, and has been read when wait() returns: where it lies in this GPU's primary context, of
  // others by way of a copy on the GPU. After an error nothing waits. InvalidArgument, OutOfMemory, Internal.
  virtual Status run(const ImageView& image, const FrameChange& change, void* output) = 0;

  // Queues what waits: one copy, unless the pictures are many or large. The errors of run().
  virtual Status flush() = 0;

  // Mixup of a batch with itself, rolled by one picture (Zhang et al. 2018), in place: `count` pictures of this
  // preprocessor's output, keep * own + (1 - keep) * the one before. Flushes; returns when the work is queued.
  virtual Status mixup(void* pictures, int64_t count, double keep) = 0;

  // Flushes, and waits until all that was queued is done; the first error that the GPU met.
  virtual Status wait() = 0;
};

struct CudaPreprocessorOptions {
  PreprocessSpec spec;
  NumberType number = NumberType::Float16;
  int ordinal = 0;
  void* stream = nullptr;  // a cudaStream_t to work on, borrowed; null: one of its own
};

// The module's one entry point, `resnetft_cuda_module()`, returns this table.
struct CudaModule {
  unsigned version;     // kCudaModuleVersion of the module's build
  int runtime_version;  // of CUDA's runtime in it: 13000
  // DeviceUnavailable where no context can be made on that GPU or the kernels are not built for it.
  Status (*check_gpu)(int ordinal);
  Result<std::unique_ptr<CudaPreprocessor>> (*create_preprocessor)(const CudaPreprocessorOptions& options);
  // A GPU's primary context, a CUcontext; lives as long as the process. DeviceUnavailable, OutOfMemory, Internal.
  Result<void*> (*primary_context)(int ordinal);
  // DeviceUnavailable where cuDNN, which the engine needs, is missing. Asks no GPU.
  Status (*check_inference)();
  // infer/cuda/cuda_engine.h. `weights` are FloatWeights, which may be dropped afterwards.
  Result<std::shared_ptr<const Engine>> (*create_engine)(const ModelCard& card,
                                                         const std::map<std::string, FloatTensor, std::less<>>& weights,
                                                         const EngineSpec& spec);
};

// Opens the module, once; later calls return the same. DeviceUnavailable where it was not built or does not open;
// Incompatible where it is another build's. Asks no driver. A failure is not remembered. Thread-safe.
Result<const CudaModule*> cuda_module();

}  // namespace resnetft
