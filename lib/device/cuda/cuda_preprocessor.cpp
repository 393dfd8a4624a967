// SPDX-License-Identifier: MIT
// Owns what a stream of frames needs on a GPU: their way there, which the kernel's tables take too, and a stream.
#include "device/cuda/cuda_preprocessor.h"

#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "device/cuda/cuda_call.h"
#include "device/cuda/frame_plan.h"
#include "device/cuda/frame_upload.h"
#include "device/cuda/kernels.h"
#include "image/pixel_format.h"

namespace resnetft {
namespace {

Error out_of_host_memory() {
  return {ErrorCode::OutOfMemory, "preprocessing on the GPU: the host's memory ran out", "free memory"};
}

Status check_change(const FrameChange& change) {
  const auto is_shift = [](int shift) { return std::abs(static_cast<int64_t>(shift)) <= kMaxSide; };
  const Region& erased = change.erased;
  const auto is_side = [](int size) { return size >= 0 && size <= kMaxSide; };
  if (is_shift(change.shift_x) && is_shift(change.shift_y) && is_side(erased.x) && is_side(erased.y) &&
      is_side(erased.width) && is_side(erased.height))
    return Status::success();
  return Error{ErrorCode::InvalidArgument,
               "a change by " + std::to_string(change.shift_x) + "," + std::to_string(change.shift_y) +
                   " with an erased part of " + std::to_string(erased.width) + "x" + std::to_string(erased.height),
               "no number may exceed " + std::to_string(kMaxSide)};
}

class StreamPreprocessor : public CudaPreprocessor {
 public:
  explicit StreamPreprocessor(const CudaPreprocessorOptions& options)
      : options_(options), plan_(options.spec, options.number), stream_(options.stream) {}

  ~StreamPreprocessor() override {
    const CurrentGpu current(options_.ordinal);
    if (stream_.get()) cudaStreamSynchronize(stream_.get());  // null is everybody's stream
  }

  Status start() {
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    if (Status status = stream_.create(/*background=*/false); !status) return status;
    upload_.emplace(options_.ordinal, stream_.get());
    return upload_->start();
  }

  Status run(const ImageView& image, const FrameChange& change, void* output) override {
    if (Status status = check_view(image); !status) return status;
    if (Status status = check_change(change); !status) return status;
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    Status status = add(needed_part(image), change, output);
    if (status && image.memory.kind != MemoryKind::Host) status = launch();
    return kept(std::move(status));
  }

  Status flush() override {
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    return kept(launch());
  }

  Status mixup(void* pictures, int64_t count, double keep) override {
    if (count < 1 || !(keep >= 0 && keep <= 1))
      return Error{ErrorCode::InvalidArgument,
                   "mixup of " + std::to_string(count) + " pictures that keep " + std::to_string(keep),
                   "at least one picture, and a share from 0 to 1"};
    if (Status status = flush(); !status) return status;
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    const int64_t values = int64_t{3} * options_.spec.crop_width * options_.spec.crop_height;
    return cuda_status("mixing a batch on the GPU",
                       launch_mixup(options_.number, pictures, count, values, keep, stream_.get()));
  }

  Status wait() override {
    if (Status status = flush(); !status) return status;
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    return cuda_status("waiting for the GPU", cudaStreamSynchronize(stream_.get()));
  }

 private:
  // Puts the picture among those that wait to be launched, with tables for its shape if they are not on the GPU.
  Status add(const ImageView& part, const FrameChange& change, void* output) try {
    if (plan_.prepare(part)) tables_ = nullptr;
    if (Status status = make_room(part); !status) return status;
    if (!tables_) {
      const Result<const uint8_t*> tables = upload_->add(plan_.tables());
      if (!tables) return tables.error();
      tables_ = *tables;
    }
    const Result<ImageView> there = upload_->add(part);
    if (!there) return there.error();
    waiting_.push_back(plan_.task(*there, change, tables_, output));
    return Status::success();
  } catch (const std::bad_alloc&) {
    return out_of_host_memory();
  }

  Status make_room(const ImageView& part) {
    const size_t bytes = upload_->bytes_of(part), tables = plan_.tables().size();
    const auto has_room = [&] { return upload_->has_room(bytes + (tables_ ? 0 : FrameUpload::aligned(tables))); };
    if (has_room()) return Status::success();
    if (Status status = launch(); !status) return status;
    if (has_room()) return Status::success();
    tables_ = nullptr;
    return upload_->grow(bytes + FrameUpload::aligned(tables));
  }

  Status launch() {
    if (Status status = upload_->send(); !status) return status;
    for (const FrameTask& task : waiting_)
      if (Status status = cuda_status("preprocessing a frame on the GPU", launch_frame(task, stream_.get())); !status)
        return status;
    waiting_.clear();
    if (!upload_->rewind(tables_, plan_.tables().size())) tables_ = nullptr;
    return Status::success();
  }

  // After a failure nothing may be launched whose tables or pixels did not get to the GPU.
  Status kept(Status status) {
    if (status) return status;
    waiting_.clear();
    tables_ = nullptr;
    upload_->rewind(nullptr, 0);
    return status;
  }

  CudaPreprocessorOptions options_;
  FramePlan plan_;
  CudaStream stream_;
  std::optional<FrameUpload> upload_;  // from start() on
  const uint8_t* tables_ = nullptr;    // the plan's, in the block of `upload_`; null: they are not there
  std::vector<FrameTask> waiting_;     // for flush(), or until the block is full
};

}  // namespace

Result<std::unique_ptr<CudaPreprocessor>> create_cuda_preprocessor(const CudaPreprocessorOptions& options) try {
  if (const Result<Preprocessor> checked = Preprocessor::create(options.spec); !checked) return checked.error();
  auto preprocessor = std::make_unique<StreamPreprocessor>(options);
  if (Status status = preprocessor->start(); !status) return status.error();
  return std::unique_ptr<CudaPreprocessor>(std::move(preprocessor));
} catch (const std::bad_alloc&) {
  return out_of_host_memory();
}

}  // namespace resnetft
