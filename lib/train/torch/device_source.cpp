// SPDX-License-Identifier: MIT
#include "train/torch/device_source.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "train/torch/transfer.h"

namespace resnetft {
namespace {

class CopiedSource : public BatchSource {
 public:
  CopiedSource(const at::Device& device, std::unique_ptr<BatchSource> source)
      : device_(device), source_(std::move(source)) {}

  Stage stage() const override { return source_->stage(); }

  void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) override {
    source_->start(std::move(order), epoch, first_batch);
  }

  Result<std::optional<TrainBatch>> next() override {
    Result<std::optional<TrainBatch>> batch = source_->next();
    if (!batch || !*batch) return batch;
    (*batch)->input = sent_to(device_, (*batch)->input);
    return batch;
  }

 private:
  at::Device device_;
  std::unique_ptr<BatchSource> source_;
};

class AheadSource : public BatchSource {
 public:
  AheadSource(std::unique_ptr<LentStream> stream, std::unique_ptr<BatchSource> source)
      : lent_(std::move(stream)),
        stream_(lent_->get()),
        source_(std::move(source)),
        devices_(stream_.device_type()),
        ready_(stream_.device_type()) {}

  Stage stage() const override { return source_->stage(); }

  void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) override {
    ahead_.reset();
    source_->start(std::move(order), epoch, first_batch);
  }

  Result<std::optional<TrainBatch>> next() override {
    prefetch();
    Result<std::optional<TrainBatch>> batch = std::move(*ahead_);
    ahead_.reset();
    if (batch && *batch) await(**batch);
    return batch;
  }

  void prefetch() override {
    if (ahead_) return;
    const c10::StreamGuard guard(stream_);
    ahead_ = source_->next();
    if (*ahead_ && **ahead_) ready_.record(stream_);
  }

 private:
  void await(const TrainBatch& batch) {
    const c10::Stream working = devices_.getStream(stream_.device());
    ready_.block(working);
    batch.input.record_stream(working);
  }

  std::unique_ptr<LentStream> lent_;  // goes after the source that works on it
  c10::Stream stream_;
  std::unique_ptr<BatchSource> source_;
  c10::impl::VirtualGuardImpl devices_;
  c10::Event ready_;                                        // the batch ahead
  std::optional<Result<std::optional<TrainBatch>>> ahead_;  // none: not read yet
};

}  // namespace

std::unique_ptr<BatchSource> copied_to(const at::Device& device, std::unique_ptr<BatchSource> source) {
  return std::make_unique<CopiedSource>(device, std::move(source));
}

std::unique_ptr<BatchSource> ahead_on(std::unique_ptr<LentStream> stream, std::unique_ptr<BatchSource> source) {
  return std::make_unique<AheadSource>(std::move(stream), std::move(source));
}

std::unique_ptr<BatchSource> on_device(std::unique_ptr<BatchSource> source, const at::Device& device) {
  if (device.is_cpu()) return source;
  return ahead_on(std::make_unique<LentStream>(device), copied_to(device, std::move(source)));
}

}  // namespace resnetft
