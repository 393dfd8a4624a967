// SPDX-License-Identifier: MIT
// Batches as tensors, of pictures or of what frozen layers made of them, so that one loop trains on both.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/batch_loader.h"
#include "train/corrupt_log.h"

namespace resnetft {

// What a batch holds: pictures [N, 3, H, W] (channels last), the last stage's input [N, C, H, W], or pooled features
// [N, F].
enum class Stage { Pictures, LastStage, Features };

// `input` and `class_ids` (int64 [N], on the CPU) have the same N, which may be 0 where nothing of it could be decoded.
struct TrainBatch {
  at::Tensor input;
  at::Tensor class_ids;
  std::vector<size_t> indexes = {};  // [N] of pictures in their dataset
  bool is_mixed = false;             // mixup was done to `input` already
};

// For one thread. Throws as LibTorch does.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual Stage stage() const = 0;
  virtual void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) = 0;
  // None: the epoch is over. CorruptFile as CorruptLog.
  virtual Result<std::optional<TrainBatch>> next() = 0;
  // For after the work on a batch of a GPU's was queued: may make the next one ready meanwhile. What went wrong is
  // next()'s.
  virtual void prefetch() {}
};

// Pictures from a loader; what cannot be decoded goes to `corrupt`, which outlives the source.
Result<std::unique_ptr<BatchSource>> picture_source(const LoaderSpec& spec, CorruptLog& corrupt);

}  // namespace resnetft
