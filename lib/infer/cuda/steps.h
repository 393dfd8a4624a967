// SPDX-License-Identifier: MIT
// A net for one batch size as a list of steps, with the place of every value in memory. Plain data, free of CUDA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/frame_change.h"
#include "infer/engine.h"
#include "model/network.h"

namespace resnetft::cuda {

// How values are stored: tf32 is a way to multiply floats.
NumberType number_of(Precision precision);
size_t bytes_of(NumberType number);

// Channels as they are stored, padded with zeros to 16 bytes a pixel, which tensor cores take: a picture's three become
// four floats or eight halfs, all others are multiples already.
int64_t stored_channels(int64_t channels, NumberType number);

// Input: pictures as floats [batch, height, width, 3]. Output: floats [batch, features + classes], the pooled features
// and the logits of each picture. Arena: the values between, in NHWC.
enum class Storage { Input, Arena, Output };

struct Place {
  Storage storage = Storage::Arena;
  size_t offset = 0;  // in bytes
};

// LoadPictures: from floats to the engine's numbers and channels.
enum class StepKind { LoadPictures, Convolution, MaxPool, OptionAShortcut, AveragePool, Linear };

struct Step {
  StepKind kind = StepKind::Convolution;
  size_t layer = 0;  // in the network; of LoadPictures the one that reads the pictures
  Place src;
  Place residual;  // the same as `dst` where nothing is added
  Place dst;
};

struct StepList {
  int batch = 0;
  std::vector<Step> steps;
  size_t arena_bytes = 0;
};

StepList list_steps(const Network& network, NumberType number, int batch);

// Floats of one picture, and of one row of the output.
size_t picture_floats(const Network& network);
size_t row_floats(const Network& network);

// What a session of such batches takes of the GPU's memory, but for cuDNN's workspace.
size_t session_bytes(const Network& network, const StepList& list);

}  // namespace resnetft::cuda
