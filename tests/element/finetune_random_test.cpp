// SPDX-License-Identifier: MIT
#include "finetune_random.h"

namespace resnetft::testing {

using FinetuneRandom = FinetuneTest;

TEST_F(FinetuneRandom, AHundredSequencesOfChangesFromSeveralThreadsLoseNoFrame) {
  run_random_sequences(100, color_file());
}

}  // namespace resnetft::testing
