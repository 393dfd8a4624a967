// SPDX-License-Identifier: MIT
// How libresnetft finds and opens a module of its own: beside itself, else in the install folder.
#pragma once

#include <string>

#include "resnetft/error.h"

namespace resnetft {

struct ModuleFile {
  const char* file_name;  // "libresnetft-torch.so"
  const char* entry;      // its one exported symbol
  const char* part;       // what it stands for in messages: "LibTorch"
  const char* hint;       // what to do where it is missing
};

// Where the module is, or would have to be.
std::string module_path(const ModuleFile& file);

// The address of the module's entry. DeviceUnavailable, with the loader's reason, where it does not open. A module is
// never closed, not even after a failure: neither LibTorch nor CUDA survives being unloaded.
Result<void*> open_module_file(const ModuleFile& file);

Error module_unavailable(const ModuleFile& file, const std::string& reason);

// Incompatible where a module of another build's interface was found.
Status check_module_version(const ModuleFile& file, unsigned found, unsigned expected);

}  // namespace resnetft
