// SPDX-License-Identifier: MIT
// The steps of a net that cuDNN is not asked for. Each but the head is a make_value() of its task: one value a thread,
// `place` counting through the output as it lies in memory, so that a warp reads and writes neighbours. Sums are in one
// order, whatever the batch. The text is device code and, in tests, host code.
#pragma once

#include "device/cuda/kernel_source.h"
#include "device/cuda/number_bits.h"
#include "infer/cuda/tasks.h"

namespace resnetft::cuda {

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const LoadTask& task, int64_t place) {
  const int64_t pixel = place / task.channels, channel = place % task.channels;
  static_cast<typename Numbers::Stored*>(task.values)[place] =
      Numbers::store(channel < 3 ? task.pictures[pixel * 3 + channel] : 0.0f);
}

// Where a value stands in NHWC.
struct ValuePlace {
  int32_t channel, x, y;
  int64_t picture;
};

RESNETFT_DEVICE inline ValuePlace value_place(int64_t place, int32_t channels, int32_t width, int32_t height) {
  const int64_t pixel = place / channels, row = pixel / width;
  return {static_cast<int32_t>(place % channels), static_cast<int32_t>(pixel % width),
          static_cast<int32_t>(row % height), row / height};
}

RESNETFT_DEVICE inline int64_t index_of(const ValuePlace& at, int32_t channels, int32_t width, int32_t height) {
  return ((at.picture * height + at.y) * width + at.x) * channels + at.channel;
}

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const MaxPoolTask& task, int64_t place) {
  using Stored = typename Numbers::Stored;
  const Stored* src = static_cast<const Stored*>(task.src);
  const ValuePlace at = value_place(place, task.channels, task.dst_width, task.dst_height);
  Stored largest{};
  bool found = false;
  for (int32_t ky = 0; ky < task.kernel; ++ky)
    for (int32_t kx = 0; kx < task.kernel; ++kx) {
      const ValuePlace from = {at.channel, at.x * task.stride - task.padding + kx,
                               at.y * task.stride - task.padding + ky, at.picture};
      if (from.x < 0 || from.y < 0 || from.x >= task.src_width || from.y >= task.src_height) continue;
      const Stored value = src[index_of(from, task.channels, task.src_width, task.src_height)];
      if (found && !(Numbers::load(value) > Numbers::load(largest))) continue;
      largest = value;
      found = true;
    }
  static_cast<Stored*>(task.dst)[place] = largest;
}

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const ShortcutTask& task, int64_t place) {
  using Stored = typename Numbers::Stored;
  const ValuePlace at = value_place(place, task.dst_channels, task.dst_width, task.dst_height);
  const ValuePlace from = {at.channel - (task.dst_channels - task.src_channels) / 2, at.x * task.stride,
                           at.y * task.stride, at.picture};
  const bool is_there = from.channel >= 0 && from.channel < task.src_channels;
  static_cast<Stored*>(task.dst)[place] =
      is_there
          ? static_cast<const Stored*>(task.src)[index_of(from, task.src_channels, task.src_width, task.src_height)]
          : Stored{};
}

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const FinishTask& task, int64_t place) {
  using Stored = typename Numbers::Stored;
  Stored& value = static_cast<Stored*>(task.values)[place];
  float sum = Numbers::load(value) + Numbers::load(static_cast<const Stored*>(task.bias)[place % task.channels]);
  if (task.residual) sum += Numbers::load(static_cast<const Stored*>(task.residual)[place]);
  value = Numbers::store(task.relu && sum < 0 ? 0.0f : sum);
}

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const AverageTask& task, int64_t place) {
  const int64_t picture = place / task.channels, channel = place % task.channels;
  const auto* src =
      static_cast<const typename Numbers::Stored*>(task.src) + picture * task.pixels * task.channels + channel;
  float sum = 0;
  for (int64_t pixel = 0; pixel < task.pixels; ++pixel) sum += Numbers::load(src[pixel * task.channels]);
  task.rows[picture * task.row + channel] = sum / static_cast<float>(task.pixels);
}

inline int64_t value_count(const LoadTask& task) { return task.pixels * task.channels; }
inline int64_t value_count(const MaxPoolTask& task) {
  return int64_t{task.pictures} * task.dst_height * task.dst_width * task.channels;
}
inline int64_t value_count(const ShortcutTask& task) {
  return int64_t{task.pictures} * task.dst_height * task.dst_width * task.dst_channels;
}
inline int64_t value_count(const FinishTask& task) { return task.pixels * task.channels; }
inline int64_t value_count(const AverageTask& task) { return int64_t{task.pictures} * task.channels; }

// The head. A block makes kHeadClasses logits of kHeadPictures pictures: each of its threads multiplies every
// kHeadSlices-th feature with one class' weight, reading it once for all pictures; then the slices are added up.
inline constexpr int kHeadClasses = 32, kHeadSlices = 16, kHeadPictures = 4;
inline constexpr int kHeadThreads = kHeadClasses * kHeadSlices;

struct HeadSums {
  float picture[kHeadPictures];
};

RESNETFT_DEVICE inline HeadSums head_slice(const LinearTask& task, int first_picture, int label, int slice) {
  HeadSums sums = {};
  if (label >= task.classes) return sums;
  const int64_t row = int64_t{task.features} + task.classes;
  const int left = task.pictures - first_picture, pictures = left < kHeadPictures ? left : kHeadPictures;
  const float* features = task.rows + first_picture * row;
  for (int at = slice; at < task.features; at += kHeadSlices) {
    const float weight = task.weights[static_cast<int64_t>(at) * task.classes + label];
    for (int i = 0; i < pictures; ++i) sums.picture[i] += weight * features[i * row + at];
  }
  return sums;
}

RESNETFT_DEVICE inline void store_logit(const LinearTask& task, int picture, int label, int column, int index,
                                        const HeadSums* slices) {
  if (picture >= task.pictures || label >= task.classes) return;
  float sum = task.bias[label];
  for (int slice = 0; slice < kHeadSlices; ++slice) sum += slices[slice * kHeadClasses + column].picture[index];
  task.rows[picture * (int64_t{task.features} + task.classes) + task.features + label] = sum;
}

// `slices`: kHeadThreads sums that the threads of the block share.
template <class Threads>
RESNETFT_DEVICE inline void make_logits(const LinearTask& task, int block_x, int block_y, HeadSums* slices,
                                        Threads& threads) {
  const int first_label = block_x * kHeadClasses, first_picture = block_y * kHeadPictures;
  threads.run([&](int thread) {
    slices[thread] = head_slice(task, first_picture, first_label + thread % kHeadClasses, thread / kHeadClasses);
  });
  threads.run([&](int thread) {
    const int column = thread % kHeadClasses, index = thread / kHeadClasses;
    if (index < kHeadPictures) store_logit(task, first_picture + index, first_label + column, column, index, slices);
  });
}

}  // namespace resnetft::cuda
