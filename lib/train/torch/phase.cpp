// SPDX-License-Identifier: MIT
#include "train/torch/phase.h"

namespace resnetft {

std::vector<Phase> phases_of(const Recipe& recipe) {
  std::vector<Phase> phases;
  if (recipe.head_epochs > 0) phases.push_back({head_phase(recipe), 0});
  phases.push_back({recipe, recipe.head_epochs});
  return phases;
}

}  // namespace resnetft
