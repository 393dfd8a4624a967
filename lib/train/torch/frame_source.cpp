// SPDX-License-Identifier: MIT
// A batch goes to the device in one copy of pinned memory: picture behind picture, bytes as they were decoded.
#include "train/torch/frame_source.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "device/torch/guarded.h"
#include "device/torch/torch_device.h"
#include "train/torch/device_source.h"
#include "train/torch/transfer.h"

namespace resnetft {
namespace {

using Note = std::function<void(const std::string&)>;

size_t bytes_of(const DrawnPicture& picture) {
  return picture.finished.empty() ? packed_bytes(picture.image.view) : picture.finished.size() * sizeof(float);
}

void copy_to(const DrawnPicture& picture, uint8_t* target) {
  if (picture.finished.empty()) return copy_packed(picture.image.view, target);
  std::memcpy(target, picture.finished.data(), bytes_of(picture));
}

// On the host. `places`: where each picture begins, in bytes.
struct Packed {
  at::Tensor bytes;
  std::vector<int64_t> places;
};

Packed pack(const std::vector<DrawnPicture>& pictures, bool pins) {
  constexpr size_t kAlignment = 16;
  Packed packed;
  size_t size = 0;
  for (const DrawnPicture& picture : pictures) {
    packed.places.push_back(static_cast<int64_t>(size));
    size += (bytes_of(picture) + kAlignment - 1) / kAlignment * kAlignment;
  }
  packed.bytes = at::empty({static_cast<int64_t>(size)}, at::TensorOptions(at::kByte).pinned_memory(pins));
  uint8_t* target = packed.bytes.mutable_data_ptr<uint8_t>();
  for (size_t i = 0; i < pictures.size(); ++i) copy_to(pictures[i], target + packed.places[i]);
  return packed;
}

// Puts its work on the current stream, which is the preprocessor's.
class FrameSource : public BatchSource {
 public:
  FrameSource(const LoaderSpec& spec, const at::Device& device, std::unique_ptr<BatchLoader> loader,
              std::unique_ptr<CudaPreprocessor> preprocessor, CorruptLog& corrupt, Note note, MixDrawer mix)
      : dataset_(spec.dataset),
        output_(spec.output),
        device_(device),
        loader_(std::move(loader)),
        preprocessor_(std::move(preprocessor)),
        corrupt_(corrupt),
        note_(std::move(note)),
        mix_(std::move(mix)) {}

  Stage stage() const override { return Stage::Pictures; }

  void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) override {
    epoch_ = epoch;
    next_batch_ = static_cast<uint32_t>(first_batch);
    loader_->start(std::move(order), epoch, first_batch);
  }

  Result<std::optional<TrainBatch>> next() override {
    std::optional<Batch> batch = loader_->next();
    if (!batch) return std::optional<TrainBatch>();
    if (const Status status = corrupt_.add(*dataset_, batch->corrupt); !status) return status.error();
    tell_of_finished(*batch);
    const MixDraw mix = mix_ ? mix_(epoch_, next_batch_) : MixDraw();
    ++next_batch_;
    const int64_t count = static_cast<int64_t>(batch->drawn.size());
    const at::Tensor input =
        at::empty({count, output_.crop_height, output_.crop_width, 3}, at::TensorOptions(device_).dtype(at::kFloat));
    const bool mixes = mix.kind == MixKind::Mixup && count > 0;
    if (count > 0)
      if (const Status status = make(batch->drawn, input); !status) return status.error();
    if (mixes)
      if (const Status status = preprocessor_->mixup(input.mutable_data_ptr<float>(), count, mix.keep); !status)
        return status.error();
    return std::optional<TrainBatch>(TrainBatch{.input = input.permute({0, 3, 1, 2}),
                                                .class_ids = at::tensor(batch->class_ids),
                                                .indexes = std::move(batch->indexes),
                                                .is_mixed = mixes});
  }

 private:
  // The allocators keep both copies of the pictures until the work that was queued here is done.
  Status make(const std::vector<DrawnPicture>& pictures, const at::Tensor& input) {
    const Packed packed = pack(pictures, device_.is_cuda());
    const at::Tensor there = sent_to(device_, packed.bytes);
    for (size_t i = 0; i < pictures.size(); ++i) {
      const at::Tensor target = input.select(0, static_cast<int64_t>(i));
      if (!pictures[i].finished.empty()) {
        target.copy_(there.narrow(0, packed.places[i], target.numel() * int64_t{sizeof(float)})
                         .view(at::kFloat)
                         .view(target.sizes()));
        continue;
      }
      ImageView view = pictures[i].image.view;
      view.planes[0] = there.const_data_ptr<uint8_t>() + packed.places[i];
      view.strides[0] = static_cast<ptrdiff_t>(packed_bytes(view)) / view.height;
      view.memory = {MemoryKind::Cuda, ordinal_of(device_), nullptr};
      const Status status = preprocessor_->run(view, pictures[i].change, target.mutable_data_ptr<float>());
      if (!status) return status;
    }
    return Status::success();
  }

  void tell_of_finished(const Batch& batch) {
    for (size_t i = 0; i < batch.drawn.size() && note_; ++i)
      if (!batch.drawn[i].finished.empty()) {
        note_("pictures of more than " + std::to_string(kMostDeviceBytes >> 20) + " MiB, as '" +
              dataset_->name(batch.indexes[i]) + "', are augmented on the CPU");
        note_ = {};
      }
  }

  DatasetPtr dataset_;
  PreprocessSpec output_;
  at::Device device_;
  std::unique_ptr<BatchLoader> loader_;
  std::unique_ptr<CudaPreprocessor> preprocessor_;
  CorruptLog& corrupt_;
  Note note_;  // none once it was told
  MixDrawer mix_;
  uint32_t epoch_ = 0, next_batch_ = 0;
};

// The batches of one source, and of another from the batch on for which the first lacked memory.
class ReplacedSource : public BatchSource {
 public:
  using Make = std::function<Result<std::unique_ptr<BatchSource>>()>;

  ReplacedSource(std::unique_ptr<BatchSource> source, Make make_other, Note note)
      : source_(std::move(source)), make_other_(std::move(make_other)), note_(std::move(note)) {}

  Stage stage() const override { return source_->stage(); }

  void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) override {
    order_ = order;
    epoch_ = epoch;
    next_batch_ = first_batch;
    source_->start(std::move(order), epoch, first_batch);
  }

  Result<std::optional<TrainBatch>> next() override {
    if (is_other_) return source_->next();
    Result<std::optional<TrainBatch>> batch = guarded("augmenting a batch on the GPU", [&] { return source_->next(); });
    if (!batch && batch.error().code == ErrorCode::OutOfMemory) return replaced(batch.error());
    ++next_batch_;
    return batch;
  }

 private:
  Result<std::optional<TrainBatch>> replaced(const Error& error) {
    Result<std::unique_ptr<BatchSource>> other = make_other_();
    if (!other) return other.error();
    source_ = std::move(*other);
    is_other_ = true;
    if (note_) note_("pictures are augmented on the CPU from here on: " + error.message);
    source_->start(std::move(order_), epoch_, next_batch_);
    return source_->next();
  }

  std::unique_ptr<BatchSource> source_;
  Make make_other_;
  Note note_;
  bool is_other_ = false;
  std::vector<size_t> order_;
  uint32_t epoch_ = 0;
  size_t next_batch_ = 0;
};

Result<std::unique_ptr<BatchSource>> make_on_cpu(const LoaderSpec& spec, const at::Device& device,
                                                 CorruptLog& corrupt) {
  Result<std::unique_ptr<BatchSource>> pictures = picture_source(spec, corrupt);
  if (!pictures) return pictures.error();
  return copied_to(device, std::move(*pictures));
}

}  // namespace

Result<std::unique_ptr<CudaPreprocessor>> create_preprocessor_of_module(const CudaPreprocessorOptions& options) {
  const Result<const CudaModule*> module = cuda_module();
  if (!module) return module.error();
  return (*module)->create_preprocessor(options);
}

Result<std::unique_ptr<BatchSource>> frame_source(const LoaderSpec& asked, const at::Device& device,
                                                  const PreprocessorFactory& factory, CorruptLog& corrupt, Note note,
                                                  MixDrawer mix) {
  const Result<PreprocessSpec> how = asked.augment ? device_spec(*asked.augment, asked.output) : asked.output;
  if (!how) return how.error();
  auto stream = std::make_unique<LentStream>(device);
  const Result<void*> cuda_stream = cuda_stream_of(stream->get());
  if (!cuda_stream) return cuda_stream.error();
  Result<std::unique_ptr<CudaPreprocessor>> preprocessor =
      factory({.spec = *how, .number = NumberType::Float32, .ordinal = ordinal_of(device), .stream = *cuda_stream});
  if (!preprocessor) return preprocessor.error();
  LoaderSpec spec = asked;
  spec.draw_only = true;
  Result<std::unique_ptr<BatchLoader>> loader = BatchLoader::create(spec);
  if (!loader) return loader.error();
  auto frames = std::make_unique<FrameSource>(spec, device, std::move(*loader), std::move(*preprocessor), corrupt, note,
                                              std::move(mix));
  const auto on_cpu = [asked, device, &corrupt] { return make_on_cpu(asked, device, corrupt); };
  return ahead_on(std::move(stream), std::make_unique<ReplacedSource>(std::move(frames), on_cpu, std::move(note)));
}

}  // namespace resnetft
