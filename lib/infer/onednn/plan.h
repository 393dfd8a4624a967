// SPDX-License-Identifier: MIT
// A net for one batch size as a list of oneDNN primitives, with the place of every value in memory. Immutable.
#pragma once

#include <dnnl.hpp>
#include <string>
#include <vector>

#include "infer/onednn/weight_store.h"

namespace resnetft::onednn {

// For each layer the implementation (impl_info_str) of its convolution; empty: oneDNN's favourite.
using Implementations = std::vector<std::string>;

// Input, features [batch, features] and logits [batch, classes] are float32 and belong to the session; the rest lies in
// its arena.
enum class Storage { Input, Arena, Features, Logits };

struct Place {
  Storage storage = Storage::Arena;
  size_t offset = 0;  // in bytes, in the arena
};

struct Step {
  dnnl::primitive primitive;
  dnnl::memory::desc src_desc;
  dnnl::memory::desc dst_desc;
  dnnl::memory::desc scratchpad_desc;
  dnnl::memory weights;  // empty, as is bias, where the step has none
  dnnl::memory bias;
  Place src;
  Place dst;
};

struct Plan {
  int batch = 0;
  std::vector<Step> steps;
  size_t arena_bytes = 0;
  size_t scratchpad_bytes = 0;
};

// With the OpenMP thread count of the calling thread, which a run must use, too. Incompatible: a tensor is missing or
// of another shape, or oneDNN has no implementation. Throws dnnl::error.
Result<Plan> build_plan(const Network& network, const Target& target, const Implementations& implementations, int batch,
                        WeightStore& store);

}  // namespace resnetft::onednn
