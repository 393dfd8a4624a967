// SPDX-License-Identifier: MIT
// A list of labelled pictures: two functions, everything else composes. Folders, CIFAR binaries and pictures in memory
// are sources; subsets are views.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/image_file.h"
#include "resnetft/error.h"

namespace resnetft {

// Immutable, so thread-safe. Indexes are below size().
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual size_t size() const = 0;
  // The picture, decoded; as read_image_file().
  virtual Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by = {}) const = 0;
  virtual size_t class_id(size_t index) const = 0;   // into classes()
  virtual std::string name(size_t index) const = 0;  // for people: a path, or "data_batch_1.bin#17"
  virtual const std::vector<std::string>& classes() const = 0;
  // SHA-256 over names, class names and sizes of the files, and over the bytes of those whose size says nothing
  // (uncompressed pictures): equal data, equal hash.
  virtual std::string manifest_hash() const = 0;
};
using DatasetPtr = std::shared_ptr<const Dataset>;

// Of each picture, in order; and how many pictures each class has.
std::vector<size_t> class_ids_of(const Dataset& data);
std::vector<size_t> class_counts_of(const Dataset& data);

// "'a', 'b' and 3 more", for messages.
std::string listed(const std::vector<std::string>& names);

// FOLDER/CLASS/.../picture: what list_labelled_images() finds.
Result<DatasetPtr> open_image_folder(const std::string& folder);

// A folder of CIFAR-10 or CIFAR-100 in its binary form (Krizhevsky 2009): `train` or `test` part. CorruptFile names a
// file whose length does not fit.
Result<DatasetPtr> open_cifar(const std::string& folder, bool train);
// Whether open_cifar() would find files there, in the folder or in the one that the archives unpack to.
bool is_cifar(const std::string& folder);

// Pictures that the caller decoded; they are shared, not copied.
struct LabelledPicture {
  DecodedImage image;
  size_t class_id;
  std::string name;
};
DatasetPtr dataset_of_pictures(std::vector<LabelledPicture> pictures, std::vector<std::string> classes);

// The pictures of `base` at `indexes`, in that order; an index may stand twice.
DatasetPtr subset(DatasetPtr base, std::vector<size_t> indexes);

// `base` with its classes in the order of `classes`, which may have more. Incompatible lists the classes of `base` that
// are not among them, or that stand there twice, as two of ImageNet's names do.
Result<DatasetPtr> with_classes(DatasetPtr base, const std::vector<std::string>& classes);

}  // namespace resnetft
