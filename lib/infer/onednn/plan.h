// SPDX-License-Identifier: MIT
// A net at one batch size as a list of oneDNN primitives and of where their operands lie.
#pragma once

#include <dnnl.hpp>
#include <map>
#include <memory>
#include <vector>

#include "infer/engine.h"
#include "model/network.h"

namespace resnetft::onednn {

// Reordered once and shared by the plans of all batch sizes whose primitives want the same form.
class WeightStore {
 public:
  explicit WeightStore(dnnl::engine engine) : engine_(std::move(engine)) {}
  // `key` names the tensor; `values` are dense float32 of `dims` and may go afterwards.
  dnnl::memory get(const std::string& key, const std::vector<float>& values, const dnnl::memory::dims& dims,
                   dnnl::memory::format_tag tag, const dnnl::memory::desc& wanted);

 private:
  dnnl::engine engine_;
  std::multimap<std::string, dnnl::memory> known_;
};

// An operand that each session places: in its arena, at `offset` bytes, or outside it.
enum class Place { Arena, Input, Embedding, Logits };
struct Operand {
  int argument;  // DNNL_ARG_SRC ...
  dnnl::memory::desc desc;
  Place place = Place::Arena;
  size_t offset = 0;
};

struct Step {
  dnnl::primitive primitive;
  std::vector<Operand> operands;
  std::vector<std::pair<int, dnnl::memory>> constants;  // weights and biases
  size_t scratchpad_bytes = 0;
};

struct Plan {
  int batch = 0;
  std::vector<Step> steps;
  size_t arena_bytes = 0;
  size_t scratchpad_bytes = 0;
};

// Throws dnnl::error.
Plan make_plan(const dnnl::engine& engine, const Network& network, const FloatWeights& weights, const EngineSpec& spec,
               int batch, WeightStore& store);

}  // namespace resnetft::onednn
