// SPDX-License-Identifier: MIT
#include "model/weights.h"

#include <array>
#include <bit>
#include <cstring>

namespace resnetft {
namespace {

struct DTypeRow {
  std::string_view name;
  size_t bytes;
};

// In the order of DType.
constexpr std::array kDTypes = {DTypeRow{"F16", 2}, DTypeRow{"BF16", 2}, DTypeRow{"F32", 4}, DTypeRow{"F64", 8},
                                DTypeRow{"I8", 1},  DTypeRow{"I16", 2},  DTypeRow{"I32", 4}, DTypeRow{"I64", 8},
                                DTypeRow{"U8", 1},  DTypeRow{"BOOL", 1}};
static_assert(kDTypes.size() == static_cast<size_t>(DType::Bool) + 1);
static_assert(std::endian::native == std::endian::little, "files hold little-endian values");

// IEEE 754 half precision.
float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half >> 15) << 31;
  const uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

float bfloat16_to_float(uint16_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

template <class Stored, class Convert>
std::vector<float> convert_all(std::span<const std::byte> bytes, Convert convert) {
  std::vector<float> values(bytes.size() / sizeof(Stored));
  for (size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = convert(stored);
  }
  return values;
}

template <class Stored>
std::vector<float> cast_all(std::span<const std::byte> bytes) {
  return convert_all<Stored>(bytes, [](Stored value) { return static_cast<float>(value); });
}

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

}  // namespace

std::string_view dtype_name(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }
size_t dtype_bytes(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }

std::vector<float> to_floats(const Tensor& tensor) {
  switch (tensor.dtype) {
    case DType::F16:
      return convert_all<uint16_t>(tensor.bytes, half_to_float);
    case DType::BF16:
      return convert_all<uint16_t>(tensor.bytes, bfloat16_to_float);
    case DType::F32:
      return cast_all<float>(tensor.bytes);
    case DType::F64:
      return cast_all<double>(tensor.bytes);
    case DType::I8:
      return cast_all<int8_t>(tensor.bytes);
    case DType::I16:
      return cast_all<int16_t>(tensor.bytes);
    case DType::I32:
      return cast_all<int32_t>(tensor.bytes);
    case DType::I64:
      return cast_all<int64_t>(tensor.bytes);
    case DType::U8:
    case DType::Bool:
      return cast_all<uint8_t>(tensor.bytes);
  }
  return {};
}

Result<Weights> parse_weights(std::span<const std::byte> bytes, const std::string& name) {
  constexpr size_t kBrace = 8;  // where a safetensors header begins
  if (bytes.empty()) return Error{ErrorCode::CorruptFile, "weights '" + name + "': it is empty", "fetch it again"};
  // First: a header's length may begin with the bytes of the others' magic, whose files have no brace there.
  if (bytes.size() > kBrace && bytes[kBrace] == std::byte{'{'}) return parse_safetensors(bytes, name);
  if (starts_with(bytes, "PK")) return parse_pytorch_zip(bytes, name);
  if (starts_with(bytes, "\x80")) return parse_pytorch_legacy(bytes, name);
  if (starts_with(bytes, "version https://git-lfs"))
    return Error{ErrorCode::CorruptFile, "weights '" + name + "': it is a Git LFS pointer to weights",
                 "run git lfs pull"};
  return Error{ErrorCode::CorruptFile, "weights '" + name + "': it is neither safetensors nor a PyTorch checkpoint",
               "name a .safetensors, .pth, .pt or .th file"};
}

Result<Weights> read_weights(const std::string& path) {
  Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file) return file.error();
  Result<Weights> weights = parse_weights((*file)->bytes(), path);
  if (weights) weights->owners.push_back(*file);
  return weights;
}

}  // namespace resnetft
