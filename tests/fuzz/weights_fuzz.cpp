// SPDX-License-Identifier: MIT
// Every reader of weight files, chosen by content; the values of what is read are looked at.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "model/weights.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto weights = resnetft::parse_weights(std::as_bytes(std::span(data, size)), "fuzz");
  if (!weights) return 0;
  for (const resnetft::Tensor& tensor : weights->tensors) {
    // Within the bytes that the file or its copies hold: at most twice the file, and a sanitizer sees the rest.
    if (resnetft::to_floats(tensor).size() * resnetft::dtype_bytes(tensor.dtype) > 2 * size) std::abort();
  }
  return 0;
}
