// SPDX-License-Identifier: MIT
// Reads the pickles that torch.save() writes, as data: a closed list of opcodes and classes, and nothing is ever run.
// The values live in one flat arena, so that no nesting can exhaust the stack, and texts borrow from the bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include "model/weights.h"

namespace resnetft {

// A storage as a persistent id names it: the type of its elements, and the key under which its bytes lie.
struct StorageReference {
  DType dtype;
  std::string_view key;
  int64_t size;    // elements
  int64_t offset;  // where it begins in the bytes, in elements: old files have storages that are views of others
};

struct PickleTensor {
  StorageReference storage;
  int64_t offset = 0;  // elements from the storage's beginning
  std::vector<int64_t> shape, strides;
};

struct PickleValue {
  // Opaque: an object of a class that state dicts may stand beside and whose content nobody needs.
  enum class Kind { None, Bool, Int, LongInt, Float, Text, Class, Mark, Tuple, List, Dict, Storage, Tensor, Opaque };
  Kind kind = Kind::None;
  union {
    int64_t integer = 0;              // Bool, Int; Class: its row in the list of classes
    double real;                      // Float
    const StorageReference* storage;  // Storage
    const PickleTensor* tensor;       // Tensor
  };
  std::string_view text;            // Text; LongInt: its little-endian bytes
  std::vector<PickleValue*> items;  // Tuple, List; Dict: keys and values in turn
};

// The values of one pickle; `root` points into `arena`, texts into the bytes that were read.
struct Pickle {
  std::deque<PickleValue> arena;
  std::deque<StorageReference> storages;
  std::deque<PickleTensor> tensors;
  const PickleValue* root = nullptr;
  size_t size = 0;  // bytes read
};

// Throws Corrupt (model/corrupt.h) for an opcode or class that is not on the list (which it names), a damaged pickle,
// or one of more than a million values, which bounds its memory to some 100 MB whatever it says.
Pickle parse_pickle(std::span<const std::byte> bytes);

// The value behind a text key of a Dict, or null.
const PickleValue* find_key(const PickleValue& dict, std::string_view key);

}  // namespace resnetft
