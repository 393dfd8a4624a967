// SPDX-License-Identifier: MIT
#include "train/torch/batch_source.h"

#include <ATen/ATen.h>

namespace resnetft {
namespace {

// The tensors borrow from the batch, which lives as long as they do.
TrainBatch to_tensors(Batch&& batch, const PreprocessSpec& spec) {
  const auto kept = std::make_shared<Batch>(std::move(batch));
  const int64_t count = static_cast<int64_t>(kept->class_ids.size());
  const at::Tensor pictures = at::from_blob(
      kept->pictures.data(), {count, spec.crop_height, spec.crop_width, 3}, [kept](void*) {}, at::kFloat);
  const at::Tensor class_ids = at::from_blob(
      kept->class_ids.data(), {count}, [kept](void*) {}, at::kLong);
  return {pictures.permute({0, 3, 1, 2}), class_ids, kept->indexes};
}

class PictureSource : public BatchSource {
 public:
  PictureSource(const LoaderSpec& spec, std::unique_ptr<BatchLoader> loader, CorruptLog& corrupt)
      : dataset_(spec.dataset), output_(spec.output), loader_(std::move(loader)), corrupt_(corrupt) {}

  Stage stage() const override { return Stage::Pictures; }
  void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) override {
    loader_->start(std::move(order), epoch, first_batch);
  }
  Result<std::optional<TrainBatch>> next() override {
    std::optional<Batch> batch = loader_->next();
    if (!batch) return std::optional<TrainBatch>();
    if (const Status status = corrupt_.add(*dataset_, batch->corrupt); !status) return status.error();
    return std::optional<TrainBatch>(to_tensors(std::move(*batch), output_));
  }

 private:
  DatasetPtr dataset_;
  PreprocessSpec output_;
  std::unique_ptr<BatchLoader> loader_;
  CorruptLog& corrupt_;
};

}  // namespace

Result<std::unique_ptr<BatchSource>> picture_source(const LoaderSpec& spec, CorruptLog& corrupt) {
  Result<std::unique_ptr<BatchLoader>> loader = BatchLoader::create(spec);
  if (!loader) return loader.error();
  return std::unique_ptr<BatchSource>(std::make_unique<PictureSource>(spec, std::move(*loader), corrupt));
}

}  // namespace resnetft
