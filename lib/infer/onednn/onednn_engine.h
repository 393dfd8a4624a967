// SPDX-License-Identifier: MIT
// The CPU engine: a flat list of oneDNN primitives, BatchNorm folded. Its sources never see torch's include folder,
// which carries other oneDNN headers.
#pragma once

#include "infer/engine.h"

namespace resnetft {

// Incompatible for layer and group normalisation, and for a precision that the processor cannot run at all.
Result<std::shared_ptr<const Engine>> create_onednn_engine(const Model& model, const EngineSpec& spec);

// The same of weights that the caller holds, and may drop afterwards.
Result<std::shared_ptr<const Engine>> create_onednn_engine(const ModelCard& card, const FloatWeights& weights,
                                                           const EngineSpec& spec);

}  // namespace resnetft
