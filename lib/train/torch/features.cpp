// SPDX-License-Identifier: MIT
#include "train/torch/features.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "device/parallel_run.h"
#include "train/torch/parameters.h"

namespace resnetft {
namespace {

constexpr size_t kComputeBatch = 64;

Error no_room(const std::string& folder, size_t bytes, int error_number) {
  return {
      ErrorCode::Io,
      "cannot keep " + std::to_string(bytes) + " bytes of features in '" + folder + "': " + std::strerror(error_number),
      "make room on the disk, or lower --cache-max-bytes"};
}

// A file without a name, of that size, its blocks reserved: writing to the mapping cannot fail later. Negative: errno.
int open_nameless(const std::string& folder, size_t bytes) {
  int fd = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {
    std::string path = folder + "/features-XXXXXX";
    fd = mkostemp(path.data(), O_CLOEXEC);
    if (fd >= 0) unlink(path.c_str());
  }
  if (fd < 0) return fd;
  errno = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (errno == 0) return fd;
  const int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

at::Tensor run_stage(const ResNet& net, Stage stage, const at::Tensor& pictures) {
  return stage == Stage::Features ? net.features(pictures) : net.before_last_stage(pictures);
}

size_t floats_of(const std::vector<int64_t>& shape) {
  size_t floats = 1;
  for (const int64_t extent : shape) floats *= static_cast<size_t>(extent);
  return floats;
}

// Gathers rows, so it owns no more than a batch.
class RowSource : public BatchSource {
 public:
  RowSource(Stage stage, std::unique_ptr<FeatureStore> store, std::vector<int64_t> shape,
            std::vector<int64_t> class_ids, size_t batch_size)
      : stage_(stage),
        store_(std::move(store)),
        shape_(std::move(shape)),
        class_ids_(std::move(class_ids)),
        batch_size_(batch_size) {
    row_floats_ = floats_of(shape_);
    shape_.insert(shape_.begin(), 0);
  }

  Stage stage() const override { return stage_; }
  void start(std::vector<size_t> order, uint32_t, size_t first_batch) override {
    order_ = std::move(order);
    next_ = first_batch * batch_size_;
  }

  Result<std::optional<TrainBatch>> next() override {
    if (next_ >= order_.size()) return std::optional<TrainBatch>();
    const size_t end = std::min(order_.size(), next_ + batch_size_);
    rows_.clear();
    for (; next_ < end; ++next_)
      if (class_ids_[order_[next_]] != kNoRow) rows_.push_back(order_[next_]);
    const int64_t count = static_cast<int64_t>(rows_.size());
    shape_[0] = count;
    TrainBatch batch{at::empty(shape_), at::empty({count}, at::kLong)};
    float* values = batch.input.mutable_data_ptr<float>();
    int64_t* class_ids = batch.class_ids.mutable_data_ptr<int64_t>();
    for (size_t i = 0; i < rows_.size(); ++i) {
      std::memcpy(values + i * row_floats_, store_->row(rows_[i]), row_floats_ * sizeof(float));
      class_ids[i] = class_ids_[rows_[i]];
    }
    if (stage_ == Stage::LastStage) batch.input = batch.input.permute({0, 3, 1, 2});
    return std::optional<TrainBatch>(std::move(batch));
  }

 private:
  Stage stage_;
  std::unique_ptr<FeatureStore> store_;
  std::vector<int64_t> shape_;  // of a batch
  std::vector<int64_t> class_ids_;
  size_t batch_size_;
  size_t row_floats_;
  std::vector<size_t> order_, rows_;
  size_t next_ = 0;
};

std::vector<int64_t> row_shape(const ResNet& net, Stage stage, int width, int height) {
  const c10::InferenceMode inference;
  const at::Tensor output = run_stage(net, stage, at::zeros({1, 3, height, width}, at::TensorOptions(device_of(net))));
  if (stage == Stage::Features) return {output.size(1)};
  return {output.size(2), output.size(3), output.size(1)};
}

void keep(const at::Tensor& output, Stage stage, const Batch& batch, FeatureRows& computed) {
  at::Tensor rows = output.to(at::kCPU, at::kFloat);
  rows = (stage == Stage::LastStage ? rows.permute({0, 2, 3, 1}) : rows).contiguous();
  const size_t floats = static_cast<size_t>(rows.numel()) / batch.indexes.size();
  for (size_t i = 0; i < batch.indexes.size(); ++i) {
    std::memcpy(computed.store->row(batch.indexes[i]), rows.const_data_ptr<float>() + i * floats,
                floats * sizeof(float));
    computed.class_ids[batch.indexes[i]] = batch.class_ids[i];
  }
}

Status compute(FeatureRows& computed, const ResNet& net, Stage stage, BatchLoader& loader, const LoaderSpec& spec,
               CorruptLog& corrupt, const std::function<bool(size_t done)>& pause) {
  std::vector<size_t> order(spec.dataset->size());
  std::iota(order.begin(), order.end(), size_t{0});
  loader.start(std::move(order), 0);
  const c10::InferenceMode inference;
  size_t done = 0;
  while (std::optional<Batch> batch = loader.next()) {
    if (Status status = corrupt.add(*spec.dataset, batch->corrupt); !status) return status;
    const int64_t count = static_cast<int64_t>(batch->indexes.size());
    if (count > 0) {
      const ParallelRun parallel;
      const at::Tensor pictures =
          at::from_blob(batch->pictures.data(), {count, spec.output.crop_height, spec.output.crop_width, 3}, at::kFloat)
              .permute({0, 3, 1, 2});
      keep(run_stage(net, stage, pictures.to(device_of(net))), stage, *batch, computed);
    }
    done += batch->indexes.size();
    if (!pause(done)) return Error{ErrorCode::Cancelled, "computing features was stopped", ""};
  }
  return Status::success();
}

}  // namespace

Result<std::unique_ptr<FeatureStore>> FeatureStore::create(const std::string& folder, size_t rows, size_t row_floats) {
  const size_t bytes = std::max<size_t>(1, rows * row_floats) * sizeof(float);
  const int fd = folder.empty() ? -1 : open_nameless(folder, bytes);
  if (!folder.empty() && fd < 0) return no_room(folder, bytes, errno);
  const int flags = folder.empty() ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* values = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
  const int reason = errno;
  if (fd >= 0) close(fd);
  if (values == MAP_FAILED) return no_room(folder.empty() ? "memory" : folder, bytes, reason);
  return std::unique_ptr<FeatureStore>(new FeatureStore(static_cast<float*>(values), bytes, row_floats));
}

FeatureStore::~FeatureStore() { munmap(values_, bytes_); }

std::unique_ptr<BatchSource> row_source(Stage stage, std::unique_ptr<FeatureStore> store, std::vector<int64_t> shape,
                                        std::vector<int64_t> class_ids, size_t batch_size) {
  return std::make_unique<RowSource>(stage, std::move(store), std::move(shape), std::move(class_ids), batch_size);
}

size_t stage_floats(const ResNet& net, Stage stage, int width, int height) {
  return floats_of(row_shape(net, stage, width, height));
}

Result<FeatureRows> compute_features(ResNet& net, Stage stage, const LoaderSpec& loader, const std::string& folder,
                                     CorruptLog& corrupt, const std::function<bool(size_t done)>& pause) {
  LoaderSpec spec = loader;
  spec.augment.reset();
  spec.fast_decode = false;
  spec.cache = PixelCache::None;
  spec.batch_size = std::min(kComputeBatch, loader.batch_size);  // what is asked for fits the memory
  Result<std::unique_ptr<BatchLoader>> pictures = BatchLoader::create(spec);
  if (!pictures) return pictures.error();
  std::vector<int64_t> shape = row_shape(net, stage, spec.output.crop_width, spec.output.crop_height);
  const size_t count = spec.dataset->size();
  Result<std::unique_ptr<FeatureStore>> store = FeatureStore::create(folder, count, floats_of(shape));
  if (!store) return store.error();
  FeatureRows computed{std::move(*store), std::move(shape), std::vector<int64_t>(count, kNoRow)};
  if (const Status status = compute(computed, net, stage, **pictures, spec, corrupt, pause); !status)
    return status.error();
  return computed;
}

}  // namespace resnetft
