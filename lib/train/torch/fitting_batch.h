// SPDX-License-Identifier: MIT
// Where memory ran out: which batch would have fitted.
#pragma once

#include <string>

#include "train/torch/run_context.h"

namespace resnetft {

// What to do, for people. Tries half the recipe's batch, a quarter and so on, on empty pictures, with the memory that
// the optimiser takes, until one passes; the net's gradients and statistics are of no use afterwards.
std::string advice_when_out_of_memory(const RunContext& run);

}  // namespace resnetft
