// SPDX-License-Identifier: MIT
// What the frozen layers make of each picture, computed once and kept: in a file that is mapped into memory and has no
// name, so that nothing is left of it, or in memory where there is no folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/torch/resnet.h"
#include "train/torch/batch_source.h"

namespace resnetft {

// Rows of floats. Unmaps itself.
class FeatureStore {
 public:
  // `folder` empty: in memory. Io where the disk has not so much room.
  static Result<std::unique_ptr<FeatureStore>> create(const std::string& folder, size_t rows, size_t row_floats);
  ~FeatureStore();
  FeatureStore(const FeatureStore&) = delete;
  FeatureStore& operator=(const FeatureStore&) = delete;

  float* row(size_t index) const { return values_ + index * row_floats_; }

 private:
  FeatureStore(float* values, size_t bytes, size_t row_floats)
      : values_(values), bytes_(bytes), row_floats_(row_floats) {}
  float* values_;
  size_t bytes_, row_floats_;
};

// The rows of the pictures of a dataset at one stage; `shape` and `class_ids` as row_source() takes them.
struct FeatureRows {
  std::unique_ptr<FeatureStore> store;
  std::vector<int64_t> shape;
  std::vector<int64_t> class_ids;
};

// Batches of rows that somebody computed: `shape` of a row ([F], or [H, W, C] at LastStage), the class of each row or
// kNoRow where there is none.
inline constexpr int64_t kNoRow = -1;
std::unique_ptr<BatchSource> row_source(Stage stage, std::unique_ptr<FeatureStore> store, std::vector<int64_t> shape,
                                        std::vector<int64_t> class_ids, size_t batch_size);

// The floats of a picture at that stage (LastStage or Features), for pictures of this size.
size_t stage_floats(const ResNet& net, Stage stage, int width, int height);

// Runs the frozen part of `net` over the first `count` pictures of `source`, which gives them on the net's device as
// `output` says, and keeps what it makes of them; the rows of those that cannot be decoded are zeros. `pause` as in
// evaluate(). Io; Cancelled; errors of the source.
Result<FeatureRows> compute_features(ResNet& net, Stage stage, BatchSource& source, const PreprocessSpec& output,
                                     size_t count, const std::string& folder,
                                     const std::function<bool(size_t done)>& pause);

}  // namespace resnetft
