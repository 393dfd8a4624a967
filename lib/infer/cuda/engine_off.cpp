// SPDX-License-Identifier: MIT
// Stands for the engine where the module is built without cuDNN's headers.
#include "device/cuda/cuda_build.h"
#include "infer/cuda/cuda_engine.h"

namespace resnetft {

Status check_cuda_inference() {
  return Error{ErrorCode::DeviceUnavailable,
               "resnetft was built without inference on CUDA (" RESNETFT_CUDNN_MISSING ")",
               "install cuDNN 9's headers (nvidia-cudnn-cu13 from PyPI has them) and build again, or use device cpu"};
}

Result<std::shared_ptr<const Engine>> create_cuda_engine(const ModelCard&, const FloatWeights&, const EngineSpec&) {
  return check_cuda_inference().error();
}

}  // namespace resnetft
