// SPDX-License-Identifier: MIT
// A folder of JPEG files made for a benchmark, and its dataset, with the library's decoder and nothing of OpenCV.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "tests/support/temporary_folder.h"

namespace resnetft::testing {

class JpegFolder : public Dataset {
 public:
  // Waves with some noise, of about as many bytes as photographs of that size. The files are read again and again.
  JpegFolder(size_t files, size_t pictures, int width, int height);

  size_t size() const override { return pictures_; }
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override;
  size_t class_id(size_t index) const override { return index % classes_.size(); }
  std::string name(size_t index) const override { return folder_.file(std::to_string(index % files_) + ".jpg"); }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string manifest_hash() const override { return {}; }

 private:
  TemporaryFolder folder_;
  size_t files_, pictures_;
  std::vector<std::string> classes_ = {"a", "b", "c", "d"};
};

}  // namespace resnetft::testing
