// SPDX-License-Identifier: MIT
// Named tensors as they lie in a file, and the readers of weight files. Free of torch; every input is hostile, and no
// reader runs code from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "resnetft/error.h"

namespace resnetft {

enum class DType { F16, BF16, F32, F64, I8, I16, I32, I64, U8, Bool };

std::string_view dtype_name(DType dtype);  // as safetensors writes it: "F32"
size_t dtype_bytes(DType dtype);

// A dense row-major tensor. `bytes` are little-endian and borrow from what the owner holds.
struct Tensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

struct Weights {
  std::string format;                               // "safetensors", "pytorch-zip", "pytorch-legacy"
  std::vector<std::shared_ptr<const void>> owners;  // hold what the tensors borrow
  std::vector<Tensor> tensors;                      // sorted by name
  std::map<std::string, std::string> metadata;  // safetensors: __metadata__; PyTorch: plain values beside the tensors
};

// Reads any of the formats, told apart by content. NotFound, Io, or CorruptFile with the file's name and the reason.
// Allocates no more than the file's size (for strided tensors; dense ones borrow) plus some 300 MB, whatever it says,
// and the tensors are together at most four times as large as the file, plus 16 MiB.
Result<Weights> read_weights(const std::string& path);

// The same on bytes that the caller keeps; `name` stands in the errors.
Result<Weights> parse_weights(std::span<const std::byte> bytes, const std::string& name);

// The readers one by one; the fuzz targets' entries.
//
// safetensors (Hugging Face's format description): an 8-byte little-endian header length, a JSON header, then the
// tensors without holes or overlaps. Headers over 4 MiB and more than 20,000 tensors are refused.
Result<Weights> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);
// PyTorch's zip checkpoints (torch.save since 1.6): a pickle and one stored file for each storage.
Result<Weights> parse_pytorch_zip(std::span<const std::byte> bytes, const std::string& name);
// PyTorch's legacy checkpoints (torch.save before 1.6): four pickles, then the storages.
Result<Weights> parse_pytorch_legacy(std::span<const std::byte> bytes, const std::string& name);

// The values of a tensor as float32; of a Bool or integer tensor too.
std::vector<float> to_floats(const Tensor& tensor);

// A safetensors file in memory: header, then the tensors' bytes in the order of their names.
std::string safetensors_header(const std::vector<Tensor>& tensors, const std::map<std::string, std::string>& metadata);

}  // namespace resnetft
