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
#include <optional>

#include "train/torch/cpu_run.h"
#include "train/torch/parameters.h"
#include "train/torch/transfer.h"

namespace resnetft {
namespace {

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

// Of a batch, on their way to the host: [N, F], or [N, H, W, C]. Its pictures may go.
struct Computed {
  HostCopy rows;
  std::vector<size_t> indexes;
  at::Tensor class_ids;  // of its own
};

void keep(const Computed& computed, FeatureRows& kept) {
  const at::Tensor& rows = computed.rows.value();
  const std::vector<size_t>& indexes = computed.indexes;
  const size_t floats = static_cast<size_t>(rows.numel()) / indexes.size();
  const int64_t* class_ids = computed.class_ids.const_data_ptr<int64_t>();
  for (size_t i = 0; i < indexes.size(); ++i) {
    std::memcpy(kept.store->row(indexes[i]), rows.const_data_ptr<float>() + i * floats, floats * sizeof(float));
    kept.class_ids[indexes[i]] = class_ids[i];
  }
}

HostCopy rows_of(const ResNet& net, Stage stage, const at::Tensor& pictures) {
  const CpuRun run(pictures.device());
  const at::Tensor output = run_stage(net, stage, pictures);
  return HostCopy((stage == Stage::LastStage ? output.permute({0, 2, 3, 1}) : output).contiguous());
}

Status compute(FeatureRows& kept, const ResNet& net, Stage stage, BatchSource& source,
               const std::function<bool(size_t done)>& pause) {
  std::vector<size_t> order(kept.class_ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  source.start(std::move(order), 0, 0);
  const c10::InferenceMode inference;
  std::optional<Computed> before;  // is kept once the next batch is queued, so that a GPU has work meanwhile
  for (size_t done = 0;;) {
    Result<std::optional<TrainBatch>> batch = source.next();
    if (!batch) return batch.error();
    const bool is_over = !*batch;
    std::optional<Computed> now;
    if (!is_over && !(*batch)->indexes.empty()) {
      done += (*batch)->indexes.size();
      HostCopy rows = rows_of(net, stage, (*batch)->input);
      now.emplace(std::move(rows), std::move((*batch)->indexes), (*batch)->class_ids.clone());
      source.prefetch();
    }
    if (before) keep(*before, kept);
    before = std::move(now);
    if (is_over) return Status::success();
    if (!pause(done)) return Error{ErrorCode::Cancelled, "computing features was stopped", ""};
  }
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

Result<FeatureRows> compute_features(ResNet& net, Stage stage, BatchSource& source, const PreprocessSpec& output,
                                     size_t count, const std::string& folder,
                                     const std::function<bool(size_t done)>& pause) {
  std::vector<int64_t> shape = row_shape(net, stage, output.crop_width, output.crop_height);
  Result<std::unique_ptr<FeatureStore>> store = FeatureStore::create(folder, count, floats_of(shape));
  if (!store) return store.error();
  FeatureRows kept{std::move(*store), std::move(shape), std::vector<int64_t>(count, kNoRow)};
  if (const Status status = compute(kept, net, stage, source, pause); !status) return status.error();
  return kept;
}

}  // namespace resnetft
