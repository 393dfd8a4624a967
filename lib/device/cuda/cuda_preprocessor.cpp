// SPDX-License-Identifier: MIT
// Owns what a stream of frames needs on a GPU: their way there, the kernel's tables, a stream.
#include "device/cuda/cuda_preprocessor.h"

#include <cstdlib>
#include <new>
#include <optional>
#include <string>

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
    cudaStreamSynchronize(stream_.get());
  }

  Status start() {
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    if (Status status = stream_.create(); !status) return status;
    upload_.emplace(options_.ordinal, stream_.get());
    return upload_->start();
  }

  Result<ImageView> upload(const ImageView& image) override {
    if (Status status = check_view(image); !status) return status.error();
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status().error();
    return upload_->take(image);
  }

  Status run(const ImageView& image, const FrameChange& change, void* output) override {
    if (Status status = check_view(image); !status) return status;
    if (Status status = check_place(image); !status) return status;
    if (Status status = check_change(change); !status) return status;
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    if (Status status = prepare(image); !status) return status;
    return cuda_status("preprocessing a frame on the GPU",
                       launch_frame(plan_.task(image, change, tables_.data(), output), stream_.get()));
  }

  Status mixup(void* pictures, int64_t count, double keep) override {
    if (count < 1 || !(keep >= 0 && keep <= 1))
      return Error{ErrorCode::InvalidArgument,
                   "mixup of " + std::to_string(count) + " pictures that keep " + std::to_string(keep),
                   "at least one picture, and a share from 0 to 1"};
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    const int64_t values = int64_t{3} * options_.spec.crop_width * options_.spec.crop_height;
    return cuda_status("mixing a batch on the GPU",
                       launch_mixup(options_.number, pictures, count, values, keep, stream_.get()));
  }

  Status wait() override {
    const CurrentGpu current(options_.ordinal);
    if (!current.status()) return current.status();
    return cuda_status("waiting for the GPU", cudaStreamSynchronize(stream_.get()));
  }

 private:
  Status check_place(const ImageView& image) const {
    const PixelMemory& memory = image.memory;
    if (memory.kind == MemoryKind::Cuda && memory.gpu == options_.ordinal && !memory.context) return Status::success();
    return Error{ErrorCode::InvalidArgument,
                 "a picture that is not in the memory of GPU " + std::to_string(options_.ordinal),
                 "upload it, and take the view of the copy"};
  }

  // The tables are pageable memory, which CUDA has copied out of when the call returns; on the GPU the copy waits for
  // the kernels that still read the old ones, being on their stream.
  Status prepare(const ImageView& image) try {
    if (!plan_.prepare(image) && tables_are_there_) return Status::success();
    tables_are_there_ = false;
    const std::span<const uint8_t> tables = plan_.tables();
    if (Status status = tables_.reserve(tables.size()); !status) return status;
    Status status = cuda_status(
        "copying filters to the GPU",
        cudaMemcpyAsync(tables_.data(), tables.data(), tables.size(), cudaMemcpyHostToDevice, stream_.get()));
    tables_are_there_ = status.ok();
    return status;
  } catch (const std::bad_alloc&) {
    return out_of_host_memory();
  }

  CudaPreprocessorOptions options_;
  FramePlan plan_;
  CudaStream stream_;
  std::optional<FrameUpload> upload_;  // from start() on
  CudaMemory tables_;
  bool tables_are_there_ = false;
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
