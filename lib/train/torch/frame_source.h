// SPDX-License-Identifier: MIT
// Pictures that the CPU decodes and draws for, and a device augments: its kernels give the CPU's bits.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>

#include "device/cuda_module.h"
#include "train/mix.h"
#include "train/torch/batch_source.h"

namespace resnetft {

// Makes what preprocesses on a device; a test puts the host in its place.
using PreprocessorFactory = std::function<Result<std::unique_ptr<CudaPreprocessor>>(const CudaPreprocessorOptions&)>;

// Those of the CUDA module.
Result<std::unique_ptr<CudaPreprocessor>> create_preprocessor_of_module(const CudaPreprocessorOptions& options);

// What is drawn for the batch of that number in an epoch.
using MixDrawer = std::function<MixDraw(uint32_t epoch, uint32_t batch)>;

// The batches of picture_source() on `device`, to the bit, made on a stream of its own, one ahead of the caller. Where
// memory runs out, the CPU augments from that batch on, and `note` is told; so it is of the first picture that a device
// cannot do. Mixup, where `mix` draws it, is done there too. Errors of `factory`; Incompatible where colours change.
Result<std::unique_ptr<BatchSource>> frame_source(const LoaderSpec& spec, const at::Device& device,
                                                  const PreprocessorFactory& factory, CorruptLog& corrupt,
                                                  std::function<void(const std::string&)> note, MixDrawer mix = {});

}  // namespace resnetft
