// SPDX-License-Identifier: MIT
// Named tensors as they lie in a file, and the reader of safetensors. Free of torch; every input is hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "resnetft/error.h"

namespace resnetft {

enum class DType { F16, BF16, F32, F64, I8, I16, I32, I64, U8, Bool };

// A dense row-major tensor. `bytes` are little-endian and borrow from the file that the owner holds.
struct Tensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

struct Weights {
  std::shared_ptr<const MappedFile> file;       // holds what the tensors borrow
  std::vector<Tensor> tensors;                  // sorted by name
  std::map<std::string, std::string> metadata;  // the values of __metadata__
};

// Reads a file in the safetensors format (Hugging Face's format description: an 8-byte little-endian header length,
// a JSON header, then the tensors without holes or overlaps). NotFound, Io, or CorruptFile with the file's name and
// the reason. Allocates no more than a bound (headers over 16 MiB and more than 100,000 tensors are refused).
Result<Weights> read_safetensors(const std::string& path);

// The same on bytes that the caller holds; `name` stands in the errors. The fuzz target's entry.
Result<Weights> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

}  // namespace resnetft
