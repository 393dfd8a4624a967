// SPDX-License-Identifier: MIT
// Compiled once for all sources of the torch module: LibTorch's headers cost ten seconds in each. A source still
// includes what it uses.
#include <ATen/ATen.h>
#include <torch/nn/module.h>
