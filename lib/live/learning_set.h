// SPDX-License-Identifier: MIT
// Samples as a dataset: what the trainer and the export see of them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "live/sample.h"

namespace resnetft {

using SamplePtr = std::shared_ptr<const Sample>;

// A sample without a picture is read from a seed dataset, where `seed_index` says so.
struct Lesson {
  SamplePtr sample;
  DatasetPtr seed;  // none: the sample's own picture
  size_t seed_index = 0;
};

// Labels of the lessons are among `classes`. get() is NotFound for a lesson that has no picture anywhere.
DatasetPtr dataset_of_lessons(std::vector<Lesson> lessons, std::vector<std::string> classes);

std::vector<std::span<const float>> features_of(std::span<const Lesson> lessons);
size_t count_without_picture(std::span<const Lesson> lessons);

}  // namespace resnetft
