// SPDX-License-Identifier: MIT
// Reads the pickles that torch.save() writes, as data: a closed list of opcodes and classes, and nothing is ever run.
// The values live in one flat arena, so that no nesting can exhaust the stack.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/weights.h"

namespace resnetft {

// A storage as a persistent id names it: torch's storage class, and the key under which its bytes lie.
struct StorageReference {
  DType dtype;
  std::string key;
  int64_t size;  // elements
};

struct PickleValue {
  enum class Kind { None, Bool, Int, LongInt, Float, Text, Global, Mark, Tuple, List, Dict, Storage, Tensor };
  Kind kind = Kind::None;
  int64_t integer = 0;                             // Bool, Int; Tensor: the offset into its storage, in elements
  double real = 0;                                 // Float
  std::string text;                                // Text; Global: "module name"; LongInt: its little-endian bytes
  std::vector<PickleValue*> items;                 // Tuple, List; Dict: keys and values in turn
  StorageReference storage = {DType::F32, "", 0};  // Storage, Tensor
  std::vector<int64_t> shape, strides;             // Tensor
};

// The values of one pickle; `root` points into `arena`.
struct Pickle {
  std::deque<PickleValue> arena;
  const PickleValue* root = nullptr;
  size_t size = 0;  // bytes read
};

// Throws Corrupt (model/corrupt.h) for an opcode or class that is not on the list (which it names), or a damaged
// pickle.
Pickle parse_pickle(std::span<const std::byte> bytes);

// The value behind a text key of a Dict, or null.
const PickleValue* find_key(const PickleValue& dict, std::string_view key);

}  // namespace resnetft
