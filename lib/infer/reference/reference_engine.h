// SPDX-License-Identifier: MIT
// The engine that defines the right answer: the module itself, run by ATen. In libresnetft-torch.so; the rest of the
// library comes to it through device/torch_module.h. Free of torch.
#pragma once

#include "infer/engine.h"

namespace resnetft {

// NCHW, every normalisation, every picture size. Sessions share one module, whose weights are a copy of `weights`.
// bf16 runs module and input in bfloat16. InvalidArgument for a spec with a count or size below 1, or a card with an
// unknown architecture; Incompatible where the weights are not the card's; OutOfMemory.
Result<std::shared_ptr<const Engine>> create_reference_engine(const ModelCard& card, const FloatWeights& weights,
                                                              const EngineSpec& spec);

}  // namespace resnetft
