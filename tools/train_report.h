// SPDX-License-Identifier: MIT
// What a training run says of itself: its epochs while it runs, its result as text, JSON and a page.
#pragma once

#include <optional>
#include <string>

#include "judged_data.h"
#include "train_options.h"

namespace resnetft::tool {

// "epoch  3/10  loss 0.4321  top-1 0.9123 *  lr 0.01  812 images/s  3.2 s" and an end of line; the star: the best.
std::string epoch_line(const EpochReport& report, uint32_t epochs);

// "epoch 3/10  120/1563  812 images/s  loss 0.4321  35 s left", for a line that is drawn again and again.
std::string progress_line(const TrainProgress& progress);

// How the finished model does on the validation pictures.
struct FinishedRun {
  const TrainPlan& plan;
  const TrainOutcome& outcome;
  std::string model_file;
  std::optional<JudgedData> judged;  // none where a signal ended the run
  Calibration calibration;           // of `judged`; without it its scores are the trainer's
};

std::string run_to_json(const FinishedRun& run);
std::string run_to_text(const FinishedRun& run);
std::string run_to_html(const FinishedRun& run);

}  // namespace resnetft::tool
