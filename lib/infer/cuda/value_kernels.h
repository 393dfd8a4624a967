// SPDX-License-Identifier: MIT
// The steps of a net that cuDNN is not asked for. Each but the head is a make_value() of its task for each picture and
// `place` below places(), which counts through the picture's output as it lies in memory, so that a warp reads and
// writes neighbours: groups of channels, but for the mean single ones. Sums are in one order, whatever the batch. The
// text is device code and, in tests, host code.
#pragma once

#include <cstdint>
#include <limits>

#include "device/cuda/kernel_source.h"
#include "device/cuda/number_bits.h"
#include "infer/cuda/tasks.h"

namespace resnetft::cuda {

// The 16 bytes that a thread reads and writes at once. Channels are stored in whole groups (steps.h).
template <class Numbers>
struct alignas(16) Group {
  static constexpr int kSize = 16 / sizeof(typename Numbers::Stored);
  typename Numbers::Stored values[kSize];
};

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const LoadTask& task, int64_t picture, int32_t place) {
  const int64_t pixel = picture * task.pixels + place;
  Group<Numbers> group = {};
  for (int channel = 0; channel < 3; ++channel) group.values[channel] = Numbers::store(task.src[pixel * 3 + channel]);
  static_cast<Group<Numbers>*>(task.dst)[pixel] = group;
}

inline constexpr float kLowest = -std::numeric_limits<float>::infinity();

// Where a group of a picture stands in NHWC.
struct GroupPlace {
  int32_t group, x, y;
};

RESNETFT_DEVICE inline GroupPlace group_place(int32_t place, int32_t groups, int32_t width) {
  const int32_t pixel = place / groups;
  return {place % groups, pixel % width, pixel / width};
}

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const MaxPoolTask& task, int64_t picture, int32_t place) {
  constexpr int kSize = Group<Numbers>::kSize;
  const int32_t groups = task.channels / kSize;
  const GroupPlace at = group_place(place, groups, task.dst_width);
  const auto* src =
      static_cast<const Group<Numbers>*>(task.src) + picture * task.src_height * task.src_width * groups + at.group;
  float largest[kSize];
  for (float& value : largest) value = kLowest;
  for (int32_t ky = 0; ky < task.kernel; ++ky)
    for (int32_t kx = 0; kx < task.kernel; ++kx) {
      const int32_t x = at.x * task.stride - task.padding + kx, y = at.y * task.stride - task.padding + ky;
      if (x < 0 || y < 0 || x >= task.src_width || y >= task.src_height) continue;
      const Group<Numbers> found = src[(int64_t{y} * task.src_width + x) * groups];
      for (int i = 0; i < kSize; ++i) {
        const float value = Numbers::load(found.values[i]);
        if (value > largest[i]) largest[i] = value;
      }
    }
  Group<Numbers> group;
  for (int i = 0; i < kSize; ++i) group.values[i] = Numbers::store(largest[i]);
  static_cast<Group<Numbers>*>(task.dst)[picture * task.dst_height * task.dst_width * groups + place] = group;
}

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const ShortcutTask& task, int64_t picture, int32_t place) {
  constexpr int kSize = Group<Numbers>::kSize;
  const int32_t src_groups = task.src_channels / kSize, dst_groups = task.dst_channels / kSize;
  const GroupPlace at = group_place(place, dst_groups, task.dst_width);
  const int32_t from = at.group - (dst_groups - src_groups) / 2;
  Group<Numbers> group = {};
  if (from >= 0 && from < src_groups) {
    const int64_t pixel = (picture * task.src_height + at.y * task.stride) * task.src_width + at.x * task.stride;
    group = static_cast<const Group<Numbers>*>(task.src)[pixel * src_groups + from];
  }
  static_cast<Group<Numbers>*>(task.dst)[picture * task.dst_height * task.dst_width * dst_groups + place] = group;
}

template <class Numbers>
RESNETFT_DEVICE inline void make_value(const FinishTask& task, int64_t picture, int32_t place) {
  constexpr int kSize = Group<Numbers>::kSize;
  const int32_t groups = task.channels / kSize;
  const int64_t at = picture * task.pixels * groups + place;
  Group<Numbers>& target = static_cast<Group<Numbers>*>(task.values)[at];
  const Group<Numbers> bias = static_cast<const Group<Numbers>*>(task.bias)[place % groups];
  Group<Numbers> group = target, residual = {};
  if (task.residual) residual = static_cast<const Group<Numbers>*>(task.residual)[at];
  for (int i = 0; i < kSize; ++i) {
    const float sum =
        Numbers::load(group.values[i]) + Numbers::load(residual.values[i]) + Numbers::load(bias.values[i]);
    group.values[i] = Numbers::store(task.relu && sum < 0 ? 0.0f : sum);
  }
  target = group;
}

// Several reads are under way at once; the sum waits for each in turn.
template <class Numbers>
RESNETFT_DEVICE inline void make_value(const AverageTask& task, int64_t picture, int32_t channel) {
  constexpr int32_t kAtOnce = 8;
  const auto* src =
      static_cast<const typename Numbers::Stored*>(task.src) + picture * task.pixels * task.channels + channel;
  float sum = 0;
  for (int32_t pixel = 0; pixel < task.pixels; pixel += kAtOnce) {
    float values[kAtOnce];
    for (int32_t i = 0; i < kAtOnce; ++i)
      values[i] = pixel + i < task.pixels ? Numbers::load(src[int64_t{pixel + i} * task.channels]) : 0.0f;
    for (const float value : values) sum += value;
  }
  task.rows[picture * task.row + channel] = sum / static_cast<float>(task.pixels);
}

template <class Numbers>
int32_t places(const LoadTask& task) {
  return task.pixels;
}
template <class Numbers>
int32_t places(const MaxPoolTask& task) {
  return task.dst_height * task.dst_width * (task.channels / Group<Numbers>::kSize);
}
template <class Numbers>
int32_t places(const ShortcutTask& task) {
  return task.dst_height * task.dst_width * (task.dst_channels / Group<Numbers>::kSize);
}
template <class Numbers>
int32_t places(const FinishTask& task) {
  return task.pixels * (task.channels / Group<Numbers>::kSize);
}
template <class Numbers>
int32_t places(const AverageTask& task) {
  return task.channels;
}

// The head. A block makes kHeadClasses logits of kHeadPictures pictures: each of its threads multiplies every
// kHeadSlices-th feature with one class' weight, reading it once for all pictures; then the slices are added up. Few
// classes a block, so that one picture's logits occupy a whole GPU, but whole sectors of 32 bytes.
inline constexpr int kHeadClasses = 8, kHeadSlices = 64, kHeadPictures = 4;
inline constexpr int kHeadThreads = kHeadClasses * kHeadSlices;

struct alignas(16) HeadSums {
  float picture[kHeadPictures];
};

// Where pictures are left over, the last one's sums are made again, and not stored.
RESNETFT_DEVICE inline HeadSums head_slice(const LinearTask& task, int first_picture, int label, int slice) {
  HeadSums sums = {};
  if (label >= task.classes) return sums;
  const int64_t row = int64_t{task.features} + task.classes;
  const float* features[kHeadPictures];
  for (int i = 0; i < kHeadPictures; ++i) {
    const int picture = first_picture + i < task.pictures ? first_picture + i : task.pictures - 1;
    features[i] = task.rows + picture * row;
  }
  for (int at = slice; at < task.features; at += kHeadSlices) {
    const float weight = task.weights[static_cast<int64_t>(at) * task.classes + label];
    for (int i = 0; i < kHeadPictures; ++i) sums.picture[i] += weight * features[i][at];
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
