// SPDX-License-Identifier: MIT
#include "train/torch/device_source.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace resnetft {
namespace {

class DeviceSource : public BatchSource {
 public:
  DeviceSource(std::unique_ptr<BatchSource> source, const at::Device& device)
      : source_(std::move(source)),
        device_(device),
        devices_(device.type()),
        copying_(devices_.getStreamFromGlobalPool(device, /*isHighPriority=*/false)) {}

  Stage stage() const override { return source_->stage(); }

  void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) override {
    ahead_.reset();
    source_->start(std::move(order), epoch, first_batch);
  }

  Result<std::optional<TrainBatch>> next() override {
    if (!ahead_)
      if (Status read = read_ahead(); !read) return read.error();
    std::optional<TrainBatch> batch = std::move(*ahead_);
    if (!batch) return batch;
    await(*batch);
    if (Status read = read_ahead(); !read) return read.error();
    return batch;
  }

 private:
  Status read_ahead() {
    Result<std::optional<TrainBatch>> batch = source_->next();
    if (!batch) return batch.error();
    if (*batch) copy(**batch);
    ahead_ = std::move(*batch);
    return Status::success();
  }

  // The allocator that gives out pinned memory keeps it until the copy is done.
  void copy(TrainBatch& batch) {
    const c10::StreamGuard guard(copying_);
    const bool pins = device_.is_cuda();
    batch.input =
        (pins ? batch.input.pin_memory() : batch.input).to(device_, /*dtype=*/at::kFloat, /*non_blocking=*/pins);
    copied_.record(copying_);
  }

  void await(const TrainBatch& batch) {
    const c10::Stream working = devices_.getStream(device_);
    copied_.block(working);
    batch.input.record_stream(working);
  }

  std::unique_ptr<BatchSource> source_;
  at::Device device_;
  c10::impl::VirtualGuardImpl devices_;
  c10::Stream copying_;
  c10::Event copied_{device_.type()};               // the batch ahead
  std::optional<std::optional<TrainBatch>> ahead_;  // none: not read yet; one without a batch: the epoch is over
};

}  // namespace

std::unique_ptr<BatchSource> on_device(std::unique_ptr<BatchSource> source, const at::Device& device) {
  if (device.is_cpu()) return source;
  return std::make_unique<DeviceSource>(std::move(source), device);
}

}  // namespace resnetft
