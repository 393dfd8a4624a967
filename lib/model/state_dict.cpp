// SPDX-License-Identifier: MIT
#include "model/state_dict.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "model/corrupt.h"

namespace resnetft {
namespace {

using Kind = PickleValue::Kind;

// In the order in which they are looked at; a training script's plain weights before its averaged ones.
constexpr std::array<std::string_view, 14> kUsualKeys = {
    "state_dict", "model_state_dict", "model",   "model_state", "net",       "network", "weights",
    "params",     "module",           "teacher", "student",     "model_ema", "ema",     "state_dict_ema"};
constexpr size_t kMaxTensors = 20'000;
constexpr size_t kMaxName = 1000;
constexpr size_t kMaxExpansion = 4;
constexpr size_t kMaxExpansionBytes = 16 << 20;

// What the keys of a dict are, as far as they have tensors behind them.
struct TensorKeys {
  bool any = false;
  bool weights = false;  // some end in ".weight"
};

TensorKeys tensor_keys(const PickleValue& value) {
  TensorKeys keys;
  if (value.kind != Kind::Dict) return keys;
  for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
    if (value.items[i + 1]->kind != Kind::Tensor || value.items[i]->kind != Kind::Text) continue;
    keys.any = true;
    keys.weights = keys.weights || value.items[i]->text.ends_with(".weight");
  }
  return keys;
}

// Each dict is searched and its keys are looked at once, however often it is named, so that a crafted pickle costs no
// more time than its size.
class Search {
 public:
  // The dict itself where it names a weight; else what it holds under a usual key; else whatever names a weight.
  const PickleValue* find(const PickleValue& value, int depth = 0) {
    constexpr int kMaxDepth = 4;
    if (value.kind != Kind::Dict || depth > kMaxDepth || !searched_.insert(&value).second) return nullptr;
    if (keys_of(value).weights) return &value;
    for (const std::string_view key : kUsualKeys)
      if (const PickleValue* inner = find_key(value, key)) {
        if (const PickleValue* found = find(*inner, depth + 1)) return found;
        if (keys_of(*inner).any) return inner;
      }
    for (size_t i = 1; i < value.items.size(); i += 2)
      if (keys_of(*value.items[i]).weights) return value.items[i];
    return nullptr;
  }

 private:
  const TensorKeys& keys_of(const PickleValue& value) {
    const auto [found, is_new] = keys_.try_emplace(&value);
    if (is_new) found->second = tensor_keys(value);
    return found->second;
  }

  std::set<const PickleValue*> searched_;
  std::map<const PickleValue*, TensorKeys> keys_;
};

const PickleValue& find_state_dict(const PickleValue& root) {
  if (const PickleValue* found = Search().find(root)) return *found;
  if (tensor_keys(root).any) return root;
  throw Corrupt{"it holds no state dict (a dict of tensors, or one under 'state_dict' or 'model')",
                "write it with torch.save(model.state_dict(), path)"};
}

std::string plain_text(const PickleValue& value) {
  switch (value.kind) {
    case Kind::Bool:
      return value.integer ? "true" : "false";
    case Kind::Int:
      return std::to_string(value.integer);
    case Kind::Float: {
      std::array<char, 32> text;
      return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value.real).ptr};
    }
    case Kind::Text:
      return std::string(value.text);
    default:
      return "";
  }
}

void collect_plain_values(const PickleValue& root, Weights& weights) {
  constexpr size_t kMaxText = 200, kMaxValues = 100;
  for (size_t i = 0; i + 1 < root.items.size() && weights.metadata.size() < kMaxValues; i += 2) {
    const PickleValue &key = *root.items[i], &value = *root.items[i + 1];
    if (key.kind != Kind::Text || key.text.size() > kMaxText || value.text.size() > kMaxText) continue;
    if (const std::string text = plain_text(value); !text.empty()) weights.metadata.emplace(key.text, text);
  }
}

size_t multiply(size_t a, size_t b) {
  size_t product;
  if (__builtin_mul_overflow(a, b, &product)) throw Corrupt{"it has a tensor that is too large"};
  return product;
}

size_t add(size_t a, size_t b) {
  size_t sum;
  if (__builtin_add_overflow(a, b, &sum)) throw Corrupt{"it has a tensor that is too large"};
  return sum;
}

size_t count_of(const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t extent : shape) count = multiply(count, static_cast<size_t>(extent));
  return count;
}

bool is_dense(const PickleTensor& tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// The first element of the tensor in its storage's bytes.
size_t begin_of(const PickleTensor& tensor) {
  return add(static_cast<size_t>(tensor.storage.offset), static_cast<size_t>(tensor.offset));
}

// One past the last element that the tensor touches.
size_t end_of(const PickleTensor& tensor) {
  size_t end = add(begin_of(tensor), 1);
  for (size_t i = 0; i < tensor.shape.size(); ++i)
    end = add(end, multiply(static_cast<size_t>(tensor.shape[i] - 1), static_cast<size_t>(tensor.strides[i])));
  return end;
}

// Copies element by element in row-major order.
void gather(const PickleTensor& tensor, std::span<const std::byte> storage, size_t element, std::byte* output) {
  std::vector<int64_t> index(tensor.shape.size(), 0);
  const size_t count = count_of(tensor.shape);
  for (size_t n = 0; n < count; ++n, output += element) {
    size_t position = begin_of(tensor);
    for (size_t i = 0; i < index.size(); ++i) position += static_cast<size_t>(index[i] * tensor.strides[i]);
    std::memcpy(output, storage.data() + position * element, element);
    for (size_t i = index.size(); i-- > 0;) {
      if (++index[i] < tensor.shape[i]) break;
      index[i] = 0;
    }
  }
}

class Collector {
 public:
  Collector(const StorageBytes& storage_bytes, size_t file_size, Weights& weights)
      : storage_bytes_(storage_bytes),
        copies_left_(file_size),
        bytes_left_(add(multiply(file_size, kMaxExpansion), kMaxExpansionBytes)),
        weights_(weights) {}

  void add_tensor(const std::string& name, const PickleTensor& source) {
    if (weights_.tensors.size() == kMaxTensors) throw Corrupt{"it has more than 20000 tensors"};
    Tensor tensor{name, source.storage.dtype, source.shape, {}};
    const size_t element = dtype_bytes(tensor.dtype), count = count_of(source.shape);
    if (count > 0) {
      const std::span<const std::byte> storage = storage_bytes_(source.storage);
      const size_t size = multiply(count, element);
      if (multiply(end_of(source), element) > storage.size())
        throw Corrupt{"tensor '" + name + "' lies outside its storage"};
      take(bytes_left_, size, "its tensors are together far larger than the file");
      tensor.bytes =
          is_dense(source) ? storage.subspan(begin_of(source) * element, size) : copy(source, storage, element, size);
    }
    weights_.tensors.push_back(std::move(tensor));
  }

 private:
  static void take(size_t& left, size_t size, const char* reason) {
    if (size > left) throw Corrupt{reason};
    left -= size;
  }

  std::span<const std::byte> copy(const PickleTensor& source, std::span<const std::byte> storage, size_t element,
                                  size_t size) {
    take(copies_left_, size, "its strided tensors are larger than the file");
    auto bytes = std::make_shared<std::vector<std::byte>>(size);
    gather(source, storage, element, bytes->data());
    weights_.owners.push_back(bytes);
    return *bytes;
  }

  const StorageBytes& storage_bytes_;
  size_t copies_left_, bytes_left_;
  Weights& weights_;
};

}  // namespace

void collect_state_dict(const PickleValue& root, const StorageBytes& storage_bytes, size_t file_size,
                        Weights& weights) {
  const PickleValue& dict = find_state_dict(root);
  Collector collector(storage_bytes, file_size, weights);
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue &key = *dict.items[i], &value = *dict.items[i + 1];
    if (value.kind != Kind::Tensor) continue;
    if (key.kind != Kind::Text || key.text.size() > kMaxName)
      throw Corrupt{"its state dict has a key that is no tensor's name"};
    collector.add_tensor(std::string(key.text), *value.tensor);
  }
  std::ranges::sort(weights.tensors, {}, &Tensor::name);
  if (std::ranges::adjacent_find(weights.tensors, {}, &Tensor::name) != weights.tensors.end())
    throw Corrupt{"its state dict names a tensor twice"};
  collect_plain_values(root, weights);
}

}  // namespace resnetft
