// SPDX-License-Identifier: MIT
// Between at::Tensors with names and what a checkpoint or a model holds.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "model/weights.h"
#include "resnetft/model.h"

namespace resnetft {

using NamedTensors = std::map<std::string, at::Tensor>;  // float32, contiguous on the CPU

NamedTensors clone_all(const NamedTensors& tensors);
// Copies values from the tensors of the same names.
void copy_all(const NamedTensors& src, const NamedTensors& dst);
bool all_finite(const NamedTensors& tensors);
// Themselves, or copies of those that are elsewhere.
NamedTensors on_cpu(const NamedTensors& tensors);
FloatWeights to_float_weights(const NamedTensors& tensors);

// Appends them as PREFIX/NAME; the bytes are borrowed from tensors on the CPU.
void append_tensors(const NamedTensors& tensors, const std::string& prefix, std::vector<Tensor>& list);
// Fills them from PREFIX/NAME. CorruptFile where one is missing or of another shape.
Status restore_tensors(const Weights& weights, const std::string& prefix, const NamedTensors& tensors);
// Whether there is any PREFIX/NAME.
bool has_prefix(const Weights& weights, const std::string& prefix);

}  // namespace resnetft
