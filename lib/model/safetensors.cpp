// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "model/corrupt.h"
#include "model/json_depth.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 4u << 20;
constexpr size_t kMaxTensors = 20'000;
constexpr size_t kMaxDimensions = 8;
constexpr int kMaxDepth = 3;  // header, entry, list

uint64_t little_endian(std::span<const std::byte, kLengthBytes> bytes) {
  uint64_t value = 0;
  for (size_t i = kLengthBytes; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

std::span<const std::byte> header_of(std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) throw Corrupt{"it is shorter than its header"};
  const uint64_t length = little_endian(bytes.first<kLengthBytes>());
  if (length > bytes.size() - kLengthBytes)
    throw Corrupt{"its header says " + std::to_string(length) + " bytes, the file has " +
                  std::to_string(bytes.size() - kLengthBytes)};
  if (length > kMaxHeaderBytes) throw Corrupt{"its header is larger than 4 MiB"};
  return bytes.subspan(kLengthBytes, length);
}

Json parse_header(std::span<const std::byte> header) {
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  Json json = nests_deeper_than(text, kMaxDepth) ? Json() : Json::parse(text, nullptr, false);
  if (!json.is_object()) throw Corrupt{"its header is not a safetensors header"};
  if (json.size() - json.count("__metadata__") > kMaxTensors) throw Corrupt{"it has more than 20000 tensors"};
  return json;
}

uint64_t count_from(const Json& json, const std::string& tensor) {
  if (!json.is_number_unsigned()) throw Corrupt{"tensor '" + tensor + "' has a size that is not a count"};
  return json.get<uint64_t>();
}

const Json& list_from(const Json& entry, const char* key, const std::string& tensor) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array() || found->size() > kMaxDimensions)
    throw Corrupt{"tensor '" + tensor + "' has no usable " + key};
  return *found;
}

DType dtype_from(const Json& entry, const std::string& tensor) {
  const auto found = entry.find("dtype");
  if (found != entry.end() && found->is_string())
    for (int i = 0; i <= static_cast<int>(DType::Bool); ++i)
      if (dtype_name(static_cast<DType>(i)) == found->get_ref<const std::string&>()) return static_cast<DType>(i);
  throw Corrupt{"tensor '" + tensor + "' has an unknown dtype"};
}

std::optional<uint64_t> multiply(uint64_t a, uint64_t b) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

Tensor tensor_from(const std::string& name, const Json& entry, std::span<const std::byte> data) {
  if (!entry.is_object()) throw Corrupt{"tensor '" + name + "' is not described by an object"};
  Tensor tensor{name, dtype_from(entry, name), {}, {}};
  std::optional<uint64_t> size = dtype_bytes(tensor.dtype);
  for (const Json& extent : list_from(entry, "shape", name)) {
    const uint64_t count = count_from(extent, name);
    size = size ? multiply(*size, count) : size;
    if (!size || count > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      throw Corrupt{"tensor '" + name + "' is too large"};
    tensor.shape.push_back(static_cast<int64_t>(count));
  }
  const Json& offsets = list_from(entry, "data_offsets", name);
  if (offsets.size() != 2) throw Corrupt{"tensor '" + name + "' has no usable data_offsets"};
  const uint64_t begin = count_from(offsets[0], name), end = count_from(offsets[1], name);
  if (begin > end || end > data.size()) throw Corrupt{"tensor '" + name + "' lies outside the file"};
  if (end - begin != *size) throw Corrupt{"tensor '" + name + "' has a size that its shape does not have"};
  tensor.bytes = data.subspan(begin, end - begin);
  return tensor;
}

void check_that_tensors_fill(std::span<const std::byte> data, const std::vector<Tensor>& tensors) {
  std::vector<std::span<const std::byte>> pieces;
  for (const Tensor& tensor : tensors)
    if (!tensor.bytes.empty()) pieces.push_back(tensor.bytes);
  std::ranges::sort(pieces, {}, [](std::span<const std::byte> piece) { return piece.data(); });
  const std::byte* next = data.data();
  for (const std::span<const std::byte> piece : pieces) {
    if (piece.data() != next) throw Corrupt{"its tensors overlap or leave holes"};
    next = piece.data() + piece.size();
  }
  if (next != data.data() + data.size()) throw Corrupt{"its tensors do not fill it"};
}

Weights parse(std::span<const std::byte> bytes) {
  const std::span<const std::byte> header = header_of(bytes);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + header.size());
  const Json json = parse_header(header);
  Weights weights;
  for (const auto& [name, entry] : json.items()) {
    if (name != "__metadata__") {
      weights.tensors.push_back(tensor_from(name, entry, data));
      continue;
    }
    if (!entry.is_object()) throw Corrupt{"its metadata is not an object"};
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) throw Corrupt{"its metadata has a value that is not a string"};
      weights.metadata[key] = value.get<std::string>();
    }
  }
  check_that_tensors_fill(data, weights.tensors);
  return weights;
}

}  // namespace

Result<Weights> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  return with_file_name(name, "safetensors", [&] { return parse(bytes); });
}

std::string safetensors_header(const std::vector<Tensor>& tensors, const std::map<std::string, std::string>& metadata) {
  Json json = Json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  size_t offset = 0;
  for (const Tensor& tensor : tensors) {
    json[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                         {"shape", tensor.shape},
                         {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = json.dump();
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');  // so that the data is aligned
  std::string header;
  for (size_t i = 0; i < kLengthBytes; ++i) header += static_cast<char>(text.size() >> 8 * i);
  return header + text;
}

}  // namespace resnetft
