// SPDX-License-Identifier: MIT
// All that needs LibTorch lives in libresnetft-torch.so, which is opened on first need: a program that only runs the
// oneDNN engine never loads LibTorch, and one that has loaded another LibTorch is told so instead of crashing.
#pragma once

#include <memory>
#include <stop_token>

#include "resnetft/error.h"

namespace resnetft {

class Engine;
class Model;
struct Device;
struct EngineSpec;
struct TrainObserver;
struct TrainOutcome;
struct TrainSpec;

inline constexpr unsigned kTorchModuleVersion = 5;

// The module's one entry point, `resnetft_torch_module()`, returns this table.
struct TorchModule {
  unsigned version;  // kTorchModuleVersion of the module's build
  Result<std::shared_ptr<const Engine>> (*create_reference_engine)(const Model& model, const EngineSpec& spec);
  void (*set_thread_count)(int threads);  // at:: and MKL, for the calling thread; ThreadBudget calls it
  // DeviceUnavailable where LibTorch cannot compute there: opens its CUDA half for a GPU.
  Status (*check_device)(const Device& device);
  Result<TrainOutcome> (*train)(const TrainSpec& spec, const TrainObserver& observer, std::stop_token stop);
};

// Opens the module, once; later calls return the same. Incompatible where another LibTorch is in the process (names
// both versions and the other's path); DeviceUnavailable where the module or LibTorch is missing (with the loader's
// reason). A failure is not remembered: the next call tries again. Thread-safe.
Result<const TorchModule*> torch_module();

// The module where torch_module() has opened it, else nullptr. Never opens anything. Thread-safe.
const TorchModule* open_torch_module();

}  // namespace resnetft
