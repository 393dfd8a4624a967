// SPDX-License-Identifier: MIT
// Stands in for the LibTorch that another program has loaded: a libtorch_cpu.so that knows its version and no more.
#include <string>

namespace at {

std::string show_config();
std::string show_config() {
  return "PyTorch built with:\n  - Build settings: A=1, TORCH_VERSION=1.13.1, USE_MPI=0, \n";
}

}  // namespace at
