// SPDX-License-Identifier: MIT
// The engine on an NVIDIA GPU: convolutions by cuDNN, BatchNorm folded, the whole net one CUDA graph for each batch
// size. In libresnetft-cuda.so; the rest of the library comes to it through device/cuda_module.h.
#pragma once

#include "infer/engine.h"

namespace resnetft {

// DeviceUnavailable where cuDNN is missing, or its headers were when this was built. Asks no GPU.
Status check_cuda_inference();

// NHWC, batch and frozen normalisation. Every session of an engine gives the same bits; engines that were built apart
// may choose other algorithms, and so other last bits, as may other batch sizes. Incompatible for layer and group
// normalisation, weights that are not the card's, and what cuDNN or the precision cannot hold; InvalidArgument;
// OutOfMemory names a batch that may fit; DeviceUnavailable.
Result<std::shared_ptr<const Engine>> create_cuda_engine(const ModelCard& card, const FloatWeights& weights,
                                                         const EngineSpec& spec);

}  // namespace resnetft
