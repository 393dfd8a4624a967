// SPDX-License-Identifier: MIT
// Batches of pictures, decoded and augmented on threads that live through the run, in order, with bounded memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/augmentation.h"
#include "data/dataset.h"
#include "data/drawn_picture.h"

namespace resnetft {

// [N, H, W, 3]; N is 0 where none of its pictures could be decoded. A picture that could not be decoded is missing from
// its batch, never replaced, and stands in `corrupt`.
struct Batch {
  std::vector<float> pictures;
  std::vector<DrawnPicture> drawn;  // [N], instead of `pictures` where the spec says so
  std::vector<int64_t> class_ids;   // [N]
  std::vector<size_t> indexes;      // [N], into the dataset
  std::vector<std::pair<size_t, Error>> corrupt;
};

enum class PixelCache { None, Uint8 };

struct LoaderSpec {
  DatasetPtr dataset = {};
  PreprocessSpec output = {};               // mean, std and size that the net trains or is judged with
  std::optional<AugmentSpec> augment = {};  // none: as in evaluation
  uint64_t seed = 0;
  size_t batch_size = 32;
  unsigned workers = 2;                 // at least 1
  bool fast_decode = false;             // only with a RandomResizedCrop
  PixelCache cache = PixelCache::None;  // Uint8: decoded pictures stay in memory, at most cache_bytes of them; not
                                        // with fast_decode, whose pictures are others in each epoch
  uint64_t cache_bytes = uint64_t{2} << 30;
  bool draw_only = false;  // what was drawn is left to a device, which preprocesses as device_spec() says, or as
                           // `output` where nothing is augmented
};

// For one thread.
class BatchLoader {
 public:
  // Incompatible where a device is to do what it cannot.
  static Result<std::unique_ptr<BatchLoader>> create(const LoaderSpec& spec);
  virtual ~BatchLoader() = default;
  // Begins an epoch: `order` are indexes into the dataset, from batch `first_batch` on (a resume). Drops what was left
  // of an epoch before. An index that stands twice is augmented otherwise the second time.
  virtual void start(std::vector<size_t> order, uint32_t epoch, size_t first_batch = 0) = 0;
  // The next batch in order; the last one may be short. None: the epoch is over.
  virtual std::optional<Batch> next() = 0;
};

}  // namespace resnetft
