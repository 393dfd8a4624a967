// SPDX-License-Identifier: MIT
// Writes models: safetensors or a PyTorch checkpoint, the card inside.
#include <memory>
#include <new>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "model/pytorch_zip.h"
#include "model/safetensors_file.h"
#include "model/weights.h"
#include "resnetft/model.h"

namespace resnetft {

std::vector<std::span<const std::byte>> FileParts::all() const {
  std::vector<std::span<const std::byte>> parts = {std::as_bytes(std::span(header))};
  parts.insert(parts.end(), tensors.begin(), tensors.end());
  return parts;
}

FileParts safetensors_parts(const ModelCard& card, const FloatWeights& weights) {
  std::vector<Tensor> tensors;
  FileParts parts;
  for (const auto& [name, tensor] : weights) {
    parts.tensors.push_back(std::as_bytes(std::span(tensor.values)));
    tensors.push_back({name, DType::F32, tensor.shape, parts.tensors.back()});
  }
  parts.header = safetensors_header(tensors, {{"format", "pt"}, {"resnetft", card_to_json(card)}});
  return parts;
}

std::string sha256_of_parts(const FileParts& parts) { return sha256_hex(parts.all()); }

namespace {

Status save(const Model& model, const std::string& path) {
  const bool pth = path.ends_with(".pth");
  if (!pth && !path.ends_with(".safetensors"))
    return Error{ErrorCode::InvalidArgument, "cannot write '" + path + "': unknown ending",
                 "let it end in .safetensors or .pth"};
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  if (!pth) return write_file_atomically(path, safetensors_parts(model.card(), **weights).all());
  const Result<ZipParts> parts = pytorch_zip_parts(**weights, card_to_json(model.card()));
  if (!parts) return parts.error();
  return write_file_atomically(path, parts->pieces);
}

}  // namespace

Status save_model(const Model& model, const std::string& path) try {
  return save(model, path);
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "cannot write '" + path + "': memory ran out", "free some memory"};
}

}  // namespace resnetft
