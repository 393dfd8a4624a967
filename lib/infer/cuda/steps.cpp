// SPDX-License-Identifier: MIT
#include "infer/cuda/steps.h"

#include <algorithm>

#include "infer/arena.h"

namespace resnetft::cuda {
namespace {

constexpr size_t kPixelUnit = 16;    // bytes
constexpr size_t kBufferUnit = 256;  // as cudaMalloc aligns: cuDNN's kernels read by the widest words

StepKind kind_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::Convolution:
      return StepKind::Convolution;
    case LayerKind::MaxPool:
      return StepKind::MaxPool;
    case LayerKind::OptionAShortcut:
      return StepKind::OptionAShortcut;
    case LayerKind::GlobalAveragePool:
      return StepKind::AveragePool;
    case LayerKind::Linear:
      break;
  }
  return StepKind::Linear;
}

// Collects steps, each value in a buffer of its own, then lays the buffers out.
class Lister {
 public:
  Lister(const Network& network, NumberType number, int batch) : network_(network), number_(number) {
    list_.batch = batch;
  }

  StepList list() {
    const int pictures = new_buffer(network_.layers.front().src_extent);
    append(StepKind::LoadPictures, 0, kOutside, kOutside, pictures);
    buffer_of_value_.push_back(pictures);
    for (size_t i = 0; i < network_.layers.size(); ++i) append_layer(i);
    lay_out();
    return std::move(list_);
  }

 private:
  static constexpr int kOutside = -1;  // no buffer of the arena
  struct Ends {
    int src, residual, dst;
  };

  // Of whole units, so that every buffer begins at one.
  int new_buffer(const Extent& extent) {
    const int64_t values = stored_channels(extent.channels, number_) * extent.height * extent.width * list_.batch;
    const size_t units = (static_cast<size_t>(values) * bytes_of(number_) + kBufferUnit - 1) / kBufferUnit;
    const int now = static_cast<int>(list_.steps.size());
    lifetimes_.push_back({units * kBufferUnit, now, now});
    return static_cast<int>(lifetimes_.size()) - 1;
  }

  void append(StepKind kind, size_t layer, int src, int residual, int dst) {
    const int now = static_cast<int>(list_.steps.size());
    for (const int buffer : {src, residual, dst})
      if (buffer != kOutside) lifetimes_[static_cast<size_t>(buffer)].last = now;
    list_.steps.push_back({kind, layer, {}, {}, {}});
    ends_.push_back({src, residual, dst});
  }

  int buffer_of(int value) const { return value < 0 ? kOutside : buffer_of_value_[static_cast<size_t>(value)]; }

  void append_layer(size_t index) {
    const Layer& layer = network_.layers[index];
    const StepKind kind = kind_of(layer.kind);
    const bool is_head = kind == StepKind::AveragePool || kind == StepKind::Linear;
    const int src = buffer_of(layer.src), residual = buffer_of(layer.residual);
    const int dst = is_head ? kOutside : new_buffer(layer.dst_extent);
    append(kind, index, src, residual, dst);
    buffer_of_value_.push_back(dst);
  }

  // Where the steps at the ends read and write.
  Place outside(StepKind kind, bool is_source) const {
    if (kind == StepKind::LoadPictures) return {Storage::Input, 0};
    const bool logits = kind == StepKind::Linear && !is_source;
    return {Storage::Output,
            logits ? static_cast<size_t>(network_.layers.back().src_extent.channels) * sizeof(float) : 0};
  }

  void lay_out() {
    const ArenaPlan arena = plan_arena(lifetimes_);
    list_.arena_bytes = arena.bytes;
    const auto place = [&](int buffer, StepKind kind, bool is_source) {
      return buffer == kOutside ? outside(kind, is_source)
                                : Place{Storage::Arena, arena.offsets[static_cast<size_t>(buffer)]};
    };
    for (size_t i = 0; i < list_.steps.size(); ++i) {
      Step& step = list_.steps[i];
      step.src = place(ends_[i].src, step.kind, true);
      step.dst = place(ends_[i].dst, step.kind, false);
      step.residual = ends_[i].residual == kOutside ? step.dst : place(ends_[i].residual, step.kind, true);
    }
  }

  const Network& network_;
  NumberType number_;
  StepList list_;
  std::vector<Lifetime> lifetimes_;
  std::vector<Ends> ends_;  // of each step
  std::vector<int> buffer_of_value_;
};

}  // namespace

NumberType number_of(Precision precision) {
  switch (precision) {
    case Precision::Fp16:
      return NumberType::Float16;
    case Precision::Bf16:
      return NumberType::BFloat16;
    case Precision::Fp32:
    case Precision::Tf32:
      break;
  }
  return NumberType::Float32;
}

size_t bytes_of(NumberType number) { return number == NumberType::Float32 ? 4 : 2; }

int64_t stored_channels(int64_t channels, NumberType number) {
  const int64_t unit = static_cast<int64_t>(kPixelUnit / bytes_of(number));
  return (channels + unit - 1) / unit * unit;
}

StepList list_steps(const Network& network, NumberType number, int batch) {
  return Lister(network, number, batch).list();
}

size_t picture_floats(const Network& network) {
  const Extent& picture = network.layers.front().src_extent;
  return static_cast<size_t>(picture.channels * picture.height * picture.width);
}

size_t row_floats(const Network& network) {
  const Layer& head = network.layers.back();
  return static_cast<size_t>(head.src_extent.channels + head.dst_extent.channels);
}

size_t session_bytes(const Network& network, const StepList& list) {
  const size_t ends = picture_floats(network) + row_floats(network);
  return list.arena_bytes + static_cast<size_t>(list.batch) * ends * sizeof(float);
}

}  // namespace resnetft::cuda
