// SPDX-License-Identifier: MIT
// Workers claim pictures one by one, in the order of the epoch, and write each to its place in its batch. What a
// picture becomes depends on nothing but (seed, epoch, index), so the claims may end in any order.
#include "data/batch_loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <thread>
#include <variant>

#include "image/pixel_format.h"

namespace resnetft {
namespace {

// Decoded pictures that stay, as long as they fit. Thread-safe.
class PictureCache {
 public:
  PictureCache(size_t size, uint64_t max_bytes) : pictures_(size), bytes_left_(max_bytes) {}

  std::optional<DecodedImage> find(size_t index) const {
    const std::scoped_lock guard(lock_);
    return pictures_[index];
  }

  void keep(size_t index, const DecodedImage& image) {
    const uint64_t bytes = static_cast<uint64_t>(image.view.strides[0]) * static_cast<uint64_t>(image.view.height);
    const std::scoped_lock guard(lock_);
    if (pictures_[index] || bytes > bytes_left_) return;
    bytes_left_ -= bytes;
    pictures_[index] = image;
  }

 private:
  mutable std::mutex lock_;
  std::vector<std::optional<DecodedImage>> pictures_;
  uint64_t bytes_left_;
};

// What makes a tensor of a picture: each worker has one.
using Transform = std::variant<Preprocessor, Augmenter>;

Result<Transform> make_transform(const LoaderSpec& spec) {
  if (spec.augment) {
    if (spec.draw_only)
      if (const Result<PreprocessSpec> how = device_spec(*spec.augment, spec.output); !how) return how.error();
    Result<Augmenter> augmenter = Augmenter::create(*spec.augment, spec.output, spec.seed);
    if (!augmenter) return augmenter.error();
    return Transform(std::move(*augmenter));
  }
  Result<Preprocessor> preprocessor = Preprocessor::create(spec.output);
  if (!preprocessor) return preprocessor.error();
  return Transform(std::move(*preprocessor));
}

// A batch that is being made.
struct Slot {
  std::vector<float> pictures;  // [N, H, W, 3]; empty where there was no memory for it, or `drawn` takes its place
  std::vector<DrawnPicture> drawn;
  std::vector<size_t> indexes;
  std::vector<std::optional<Error>> errors;
  size_t unfinished;
};

struct Claim {
  std::shared_ptr<Slot> slot;
  size_t place;
  uint32_t epoch;
  uint32_t draw_index;
};

// Which of its appearances in the order each entry is, 0 the first: an epoch that shows a picture twice shows it
// augmented in two ways.
std::vector<uint32_t> appearances(const std::vector<size_t>& order, size_t dataset_size) {
  std::vector<uint32_t> seen(dataset_size), result;
  result.reserve(order.size());
  for (const size_t index : order) result.push_back(seen[index]++);
  return result;
}

class Loader : public BatchLoader {
 public:
  Loader(const LoaderSpec& spec, size_t workers)
      : spec_(spec),
        picture_values_(static_cast<size_t>(spec.output.crop_width) * static_cast<size_t>(spec.output.crop_height) * 3),
        max_slots_(2 + 2 * workers / spec.batch_size) {
    if (spec.cache == PixelCache::Uint8 && !spec.fast_decode)
      cache_ = std::make_unique<PictureCache>(spec.dataset->size(), spec.cache_bytes);
  }

  void add_worker(Transform transform) {
    workers_.emplace_back([this, own = std::move(transform)]() mutable { work(own); });
  }

  ~Loader() override {
    {
      const std::scoped_lock guard(lock_);
      stopping_ = true;
    }
    work_to_do_.notify_all();
    workers_.clear();
  }

  void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch) override {
    std::vector<uint32_t> which = appearances(order, spec_.dataset->size());
    const std::scoped_lock guard(lock_);
    slots_.clear();
    order_ = std::move(order);
    appearances_ = std::move(which);
    epoch_ = epoch;
    next_ = std::min(order_.size(), first_batch * spec_.batch_size);
    place_ = 0;
    work_to_do_.notify_all();
  }

  std::optional<Batch> next() override {
    std::shared_ptr<Slot> slot;
    {
      std::unique_lock guard(lock_);
      batch_done_.wait(guard,
                       [&] { return slots_.empty() ? next_ >= order_.size() : slots_.front()->unfinished == 0; });
      if (slots_.empty()) return std::nullopt;
      slot = std::move(slots_.front());
      slots_.pop_front();
    }
    work_to_do_.notify_all();
    return to_batch(*slot);
  }

 private:
  // The lock is held. A slot is appended with its first picture and is full when its last is claimed.
  bool can_claim() const { return next_ < order_.size() && (place_ != 0 || slots_.size() < max_slots_); }

  // The lock is held.
  std::shared_ptr<Slot> open_slot() {
    const size_t count = std::min(spec_.batch_size, order_.size() - next_);
    auto slot = std::make_shared<Slot>();
    slot->indexes.assign(order_.begin() + static_cast<ptrdiff_t>(next_),
                         order_.begin() + static_cast<ptrdiff_t>(next_ + count));
    slot->errors.resize(count);
    slot->unfinished = count;
    return slot;
  }

  std::optional<Claim> claim() {
    std::unique_lock guard(lock_);
    work_to_do_.wait(guard, [&] { return stopping_ || can_claim(); });
    if (stopping_) return std::nullopt;
    if (place_ == 0) {
      slots_.push_back(open_slot());
      reserve(*slots_.back());
    }
    const std::shared_ptr<Slot>& slot = slots_.back();
    const size_t index = order_[next_];
    const auto draw_index = static_cast<uint32_t>(index + appearances_[next_] * spec_.dataset->size());
    const Claim claimed{slot, place_, epoch_, draw_index};
    ++next_;
    place_ = (place_ + 1) % slot->indexes.size();
    return claimed;
  }

  void reserve(Slot& slot) const try {
    if (spec_.draw_only) return slot.drawn.resize(slot.indexes.size());
    slot.pictures.resize(slot.indexes.size() * picture_values_);
  } catch (const std::bad_alloc&) {
    slot.pictures.clear();
  }

  void work(Transform& transform) {
    while (const std::optional<Claim> claimed = claim()) {
      Status status = make_picture(transform, *claimed);
      const std::scoped_lock guard(lock_);
      Slot& slot = *claimed->slot;
      if (!status) slot.errors[claimed->place] = status.error();
      if (--slot.unfinished == 0) batch_done_.notify_all();
    }
  }

  Status make_picture(Transform& transform, const Claim& claimed) const try {
    Slot& slot = *claimed.slot;
    if (slot.pictures.empty() && slot.drawn.empty()) return out_of_memory();
    const Result<DecodedImage> image = read(transform, claimed);
    if (!image) return image.error();
    if (spec_.draw_only) return draw(transform, claimed, *image, slot.drawn[claimed.place]);
    const std::span<float> target(slot.pictures.data() + claimed.place * picture_values_, picture_values_);
    return finish(transform, claimed, image->view, target);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }

  static Status finish(Transform& transform, const Claim& claimed, const ImageView& view, std::span<float> target) {
    if (const auto augmenter = std::get_if<Augmenter>(&transform))
      return augmenter->to_tensor(view, claimed.epoch, claimed.draw_index, target);
    return std::get<Preprocessor>(transform).to_tensor(view, target, TensorLayout::Nhwc);
  }

  Status draw(Transform& transform, const Claim& claimed, const DecodedImage& image, DrawnPicture& drawn) const {
    if (Status status = check_view(image.view); !status) return status;
    DecodedImage part = image;
    if (const auto augmenter = std::get_if<Augmenter>(&transform)) {
      const Result<AugmentDraw> result = augmenter->draw(image.view, claimed.epoch, claimed.draw_index);
      if (!result) return result.error();
      part.view.region = result->region;
      drawn.change = result->change;
    }
    if (suits_device(part.view)) {
      drawn.image = cut_out(part);
      return Status::success();
    }
    drawn.finished.resize(picture_values_);
    return finish(transform, claimed, image.view, drawn.finished);
  }

  Result<DecodedImage> read(const Transform& transform, const Claim& claimed) const {
    const size_t index = claimed.slot->indexes[claimed.place];
    if (cache_)
      if (const std::optional<DecodedImage> kept = cache_->find(index)) return *kept;
    ReduceBy reduce_by;
    const auto augmenter = std::get_if<Augmenter>(&transform);
    if (spec_.fast_decode && augmenter)
      reduce_by = [&](int width, int height) {
        return augmenter->reduce_by(width, height, claimed.epoch, claimed.draw_index);
      };
    Result<DecodedImage> image = spec_.dataset->get(index, reduce_by);
    if (image && cache_) cache_->keep(index, *image);
    return image;
  }

  Error out_of_memory() const {
    return {ErrorCode::OutOfMemory, "no memory for a batch of " + std::to_string(spec_.batch_size) + " pictures",
            "use a smaller batch, or fewer workers"};
  }

  // Closes the gaps that pictures without pixels left.
  Batch to_batch(Slot& slot) const {
    Batch batch;
    for (size_t place = 0; place < slot.indexes.size(); ++place) {
      const size_t index = slot.indexes[place];
      if (slot.errors[place]) {
        batch.corrupt.emplace_back(index, std::move(*slot.errors[place]));
        continue;
      }
      const size_t kept = batch.indexes.size();
      if (spec_.draw_only) {
        batch.drawn.push_back(std::move(slot.drawn[place]));
      } else if (kept != place) {
        const auto from = slot.pictures.begin() + static_cast<ptrdiff_t>(place * picture_values_);
        std::copy_n(from, picture_values_, slot.pictures.begin() + static_cast<ptrdiff_t>(kept * picture_values_));
      }
      batch.indexes.push_back(index);
      batch.class_ids.push_back(static_cast<int64_t>(spec_.dataset->class_id(index)));
    }
    if (spec_.draw_only) return batch;
    slot.pictures.resize(batch.indexes.size() * picture_values_);
    batch.pictures = std::move(slot.pictures);
    return batch;
  }

  const LoaderSpec spec_;
  const size_t picture_values_;
  const size_t max_slots_;
  std::unique_ptr<PictureCache> cache_;

  std::mutex lock_;  // guards what follows, and the slots' `errors` and `unfinished`
  std::condition_variable work_to_do_, batch_done_;
  std::deque<std::shared_ptr<Slot>> slots_;
  std::vector<size_t> order_;
  std::vector<uint32_t> appearances_;
  uint32_t epoch_ = 0;
  size_t next_ = 0;   // into order_, the next picture to claim
  size_t place_ = 0;  // of that picture in its batch
  bool stopping_ = false;

  std::vector<std::jthread> workers_;
};

}  // namespace

Result<std::unique_ptr<BatchLoader>> BatchLoader::create(const LoaderSpec& spec) try {
  if (!spec.dataset) return Error{ErrorCode::InvalidArgument, "no dataset to load from", "give one"};
  if (spec.batch_size == 0)
    return Error{ErrorCode::InvalidArgument, "batch size 0", "a batch has at least one picture"};
  const unsigned workers = std::max(1u, spec.workers);
  auto loader = std::make_unique<Loader>(spec, workers);
  for (unsigned i = 0; i < workers; ++i) {
    Result<Transform> transform = make_transform(spec);
    if (!transform) return transform.error();
    loader->add_worker(std::move(*transform));
  }
  return std::unique_ptr<BatchLoader>(std::move(loader));
} catch (const std::exception& exception) {
  return Error{ErrorCode::OutOfMemory, std::string("the loader cannot start: ") + exception.what(),
               "use fewer workers"};
}

}  // namespace resnetft
