// SPDX-License-Identifier: MIT
// The torch module's half of train().
#pragma once

#include <stop_token>

#include "train/trainer.h"

namespace resnetft {

// As train(); nothing escapes it.
Result<TrainOutcome> run_training(const TrainSpec& spec, const TrainObserver& observer, std::stop_token stop);

}  // namespace resnetft
