// SPDX-License-Identifier: MIT
#include "device/training_device.h"

#include "device/torch_module.h"

namespace resnetft {

Status check_training_device(const Device& device) {
  const Result<const TorchModule*> module = torch_module();
  return module ? (*module)->check_device(device) : Status(module.error());
}

Result<Device> choose_training_device(const std::string& name) {
  Result<Device> device = choose_device(name);
  if (!device || !device->cuda) return device;
  const Status usable = check_training_device(*device);
  if (usable) return device;
  if (name == "auto") return cpu_because(usable.error().message);
  return usable.error();
}

}  // namespace resnetft
