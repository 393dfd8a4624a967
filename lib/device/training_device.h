// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "device/device_choice.h"

namespace resnetft {

// DeviceUnavailable where LibTorch cannot train there: opens its CUDA half for a GPU. Errors of torch_module().
// Thread-safe.
Status check_training_device(const Device& device);

// As choose_device(), among the devices on which LibTorch can train. Errors of check_training_device() where a GPU is
// named. Thread-safe.
Result<Device> choose_training_device(const std::string& name);

}  // namespace resnetft
