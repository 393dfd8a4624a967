// SPDX-License-Identifier: MIT
// Makes the tables that the frame kernel reads, on the host, with the functions that the CPU's preprocessing uses.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "device/cuda/frame_task.h"
#include "device/frame_change.h"
#include "image/geometry.h"
#include "resnetft/preprocess.h"

namespace resnetft {

// Keeps the tables of the last shape. Trusts its callers: spec and view have been checked. May throw std::bad_alloc.
class FramePlan {
 public:
  FramePlan(const PreprocessSpec& spec, NumberType number);

  // False where the tables of the last picture serve this one.
  bool prepare(const ImageView& image);

  // The tables, in one block: to be copied as it stands to where `task` is told, aligned to 8 bytes.
  std::span<const uint8_t> tables() const { return tables_; }

  // Of the picture that was prepared, or one of its shape. `tables`, `output` and the picture's planes are addresses
  // in the memory where the kernel will run.
  FrameTask task(const ImageView& image, const FrameChange& change, const uint8_t* tables, void* output) const;

 private:
  struct Shape {
    Size size{};
    bool mirror_columns = false;
    bool operator==(const Shape&) const = default;
  };
  // Where an axis' parts begin in the block of tables.
  struct AxisPlace {
    size_t first, last, weights;
    int taps;
  };

  AxisPlace add_axis(const Axis& axis, int source_size, bool mirrored);
  template <class Value>
  size_t add(std::span<const Value> values);
  void add_numbers();
  FrameAxis axis_of(const AxisPlace& place, const Axis& axis, const uint8_t* tables) const;

  PreprocessSpec spec_;
  NumberType number_;
  Shape shape_;
  Axes axes_{};
  AxisPlace columns_{}, rows_{};
  size_t numbers_ = 0;
  std::vector<uint8_t> tables_;
};

}  // namespace resnetft
