// SPDX-License-Identifier: MIT
// The weights of a net in the formats that its primitives take, each made once and shared by all plans and sessions.
#pragma once

#include <dnnl.hpp>
#include <vector>

#include "infer/onednn/convolution.h"
#include "infer/onednn/memory_block.h"

namespace resnetft::onednn {

class WeightStore {
 public:
  // Borrows network and weights; `pool` must outlive what the store has made.
  WeightStore(const Network& network, const FloatWeights& weights, dnnl::engine engine, MemoryPool& pool);

  // The weights of a layer in this format, made on the first call. The errors of layer_weights().
  Result<dnnl::memory> weights(size_t layer, const dnnl::memory::desc& desc);

  // What weights() has made of a layer, in the order of the calls, and its bias, which is empty before the first.
  const std::vector<dnnl::memory>& made(size_t layer) const { return entries_[layer].weights; }
  const dnnl::memory& bias(size_t layer) const { return entries_[layer].bias; }

 private:
  dnnl::memory reordered(std::vector<float>& values, const dnnl::memory::desc& plain, const dnnl::memory::desc& desc);

  struct Entry {
    std::vector<dnnl::memory> weights;
    dnnl::memory bias;
  };
  const Network& network_;
  const FloatWeights& weights_;
  dnnl::engine engine_;
  MemoryPool& pool_;
  std::vector<Entry> entries_;
};

}  // namespace resnetft::onednn
