// SPDX-License-Identifier: MIT
// Where a phase's batches come from: pictures, or what the frozen layers made of them.
#pragma once

#include <optional>

#include "train/torch/run_context.h"

namespace resnetft {

// Sets parts.train and parts.validation, and parts.head where a head learns on features; run.net must be frozen as the
// phase wants it. Says what it did.
Status open_sources(RunContext& run, const Phase& phase, PhaseParts& parts);

// A loader's pictures on the net's device, augmented there, and mixed as `mix` draws, where it can do that. Says where.
Result<std::unique_ptr<BatchSource>> open_pictures(RunContext& run, const LoaderSpec& spec, MixDrawer mix = {});

// Pictures as in training (`augment`: with its augmentation) or as in evaluation.
LoaderSpec loader_spec(const RunContext& run, const DatasetPtr& dataset, const PreprocessSpec& output,
                       const std::optional<AugmentSpec>& augment);
// What training pictures look like: the card's preprocessing at the recipe's size.
PreprocessSpec training_output(const RunContext& run);

}  // namespace resnetft
