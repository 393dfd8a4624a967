// SPDX-License-Identifier: MIT
// Which architecture a set of named tensors is, and whether it is that one wholly.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "resnetft/model.h"

namespace resnetft {

using ShapeMap = std::map<std::string, std::vector<int64_t>, std::less<>>;

// How a file's names become torchvision's: what stands before the stem's conv1.weight goes ("module.", "_orig_mod."
// ...), tensors that do not begin with it and num_batches_tracked are dropped, and the head takes the name that its
// family has ("fc" with four stages, "linear" with three).
struct Renaming {
  std::string prefix;
  bool linear_to_fc = false;
  bool fc_to_linear = false;
  std::string apply(const std::string& name) const;  // "": dropped
};

// Incompatible where two networks stand side by side and no name is without prefix ("encoder_q.", "encoder_k.").
Result<Renaming> find_renaming(const std::vector<std::string>& names);

std::string shape_text(const std::vector<int64_t>& shape);  // "64x3x7x7"

// Every tensor that a model needs: parameter_specs(), and for Batch and Frozen the running statistics.
std::vector<ParameterSpec> tensor_specs(const Architecture& architecture, int64_t num_classes,
                                        Normalization normalization);

// The class count that the head's weight shows; 0: there is no head.
int64_t classes_of(const ShapeMap& shapes);

// Success, or Incompatible naming the first tensor that is missing, of another shape, or too many.
Status check_fit(const ShapeMap& shapes, const Architecture& architecture, int64_t num_classes,
                 Normalization normalization);

// The one architecture of the zoo whose tensors these are; Incompatible naming the nearest and its first misfit.
Result<Architecture> detect_architecture(const ShapeMap& shapes, Normalization normalization);

}  // namespace resnetft
