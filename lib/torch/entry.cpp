// SPDX-License-Identifier: MIT
// The one symbol that libresnetft-torch.so exports.
#include "device/torch/guarded.h"
#include "device/torch/thread_count.h"
#include "device/torch/torch_device.h"
#include "device/torch_module.h"
#include "infer/reference/reference_engine.h"
#include "train/torch/run.h"

namespace resnetft {
namespace {

Result<std::shared_ptr<const Engine>> create_engine_of_model(const Model& model, const EngineSpec& spec) {
  return guarded("preparing the reference engine", [&]() -> Result<std::shared_ptr<const Engine>> {
    const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
    if (!weights) return weights.error();
    return create_reference_engine(model.card(), **weights, spec);
  });
}

Status check_device(const Device& device) {
  return guarded("opening LibTorch's device", [&]() -> Status {
    const Result<at::Device> found = torch_device(device);
    return found ? Status::success() : Status(found.error());
  });
}

}  // namespace
}  // namespace resnetft

extern "C" const resnetft::TorchModule* resnetft_torch_module();

extern "C" const resnetft::TorchModule* resnetft_torch_module() {
  static constexpr resnetft::TorchModule kModule = {resnetft::kTorchModuleVersion, resnetft::create_engine_of_model,
                                                    resnetft::set_torch_thread_count, resnetft::check_device,
                                                    resnetft::run_training};
  return &kModule;
}
