// SPDX-License-Identifier: MIT
// Writes models: safetensors with the card inside, or a PyTorch checkpoint with the card beside it.
#include <algorithm>
#include <memory>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "model/pytorch_writer.h"
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

Status save_model(const Model& model, const std::string& path) {
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  if (path.ends_with(".safetensors"))
    return write_file_atomically(path, safetensors_parts(model.card(), **weights).all());
  if (!path.ends_with(".pth"))
    return Error{ErrorCode::InvalidArgument, "cannot write '" + path + "': unknown ending",
                 "let it end in .safetensors or .pth"};
  const Result<std::vector<std::byte>> archive = pytorch_zip_bytes(**weights);
  if (!archive) return archive.error();
  const std::string card = card_to_json(model.card());
  const std::span<const std::byte> card_bytes = std::as_bytes(std::span(card)), archive_bytes = *archive;
  if (Status status = write_file_atomically(path + ".json", {&card_bytes, 1}); !status) return status;
  return write_file_atomically(path, {&archive_bytes, 1});
}

}  // namespace resnetft
