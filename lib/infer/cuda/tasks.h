// SPDX-License-Identifier: MIT
// What the engine's own kernels are told: plain values, and pointers into the memory in which they run.
#pragma once

#include <cstdint>

namespace resnetft::cuda {

// From floats [pictures, pixels, 3] to numbers of 16 bytes a pixel, the rest zeros.
struct LoadTask {
  const float* src;
  void* dst;
  int32_t pictures, pixels;
};

// The largest number under each window, in NHWC; what lies beyond the border counts for nothing.
struct MaxPoolTask {
  const void* src;
  void* dst;
  int32_t pictures, channels, src_height, src_width, dst_height, dst_width;
  int32_t kernel, stride, padding;
};

// Option A: pixels at the stride, and channels of zeros, as many before as after.
struct ShortcutTask {
  const void* src;
  void* dst;
  int32_t pictures, src_channels, dst_channels, src_height, src_width, dst_height, dst_width;
  int32_t stride;
};

// What follows a convolution that cuDNN does alone: plus the channel's bias and, unless null, the residual; ReLU.
struct FinishTask {
  void* values;
  const void* bias;
  const void* residual;
  int32_t pictures, pixels, channels;
  bool relu;
};

// The mean of each channel's pixels, as floats, at the beginning of each picture's row of `row` floats.
struct AverageTask {
  const void* src;
  float* rows;
  int32_t pictures, channels, pixels, row;
};

// Behind the features at the beginning of each row: bias + features * weights. Weights are [features, classes].
struct LinearTask {
  const float* weights;
  const float* bias;
  float* rows;
  int32_t pictures, features, classes;
};

}  // namespace resnetft::cuda
