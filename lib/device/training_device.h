// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "device/device_choice.h"

namespace resnetft {

// As choose_device(), among the devices on which LibTorch can train: it opens LibTorch's CUDA half. Errors of
// torch_module() where a GPU is named. Thread-safe.
Result<Device> choose_training_device(const std::string& name);

}  // namespace resnetft
