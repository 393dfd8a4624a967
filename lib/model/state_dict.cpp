// SPDX-License-Identifier: MIT
#include "model/state_dict.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "model/corrupt.h"

namespace resnetft {
namespace {

using Kind = PickleValue::Kind;

constexpr std::array<std::string_view, 6> kUsualKeys = {"state_dict", "model_state_dict", "model",
                                                        "net",        "state_dict_ema",   "model_ema"};
constexpr size_t kMaxTensors = 20'000;

bool has_tensor(const PickleValue& dict) {
  for (size_t i = 1; i < dict.items.size(); i += 2)
    if (dict.items[i]->kind == Kind::Tensor) return true;
  return false;
}

const PickleValue& find_state_dict(const PickleValue& root) {
  if (root.kind == Kind::Dict) {
    if (has_tensor(root)) return root;
    for (const std::string_view key : kUsualKeys) {
      const PickleValue* inner = find_key(root, key);
      if (inner && inner->kind == Kind::Dict && has_tensor(*inner)) return *inner;
    }
  }
  throw Corrupt{"it holds no state dict (a dict of tensors, or one under 'state_dict' or 'model')"};
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

bool is_dense(const PickleValue& tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// One past the last element that the tensor touches.
size_t end_of(const PickleValue& tensor) {
  size_t end = add(static_cast<size_t>(tensor.integer), 1);
  for (size_t i = 0; i < tensor.shape.size(); ++i)
    end = add(end, multiply(static_cast<size_t>(tensor.shape[i] - 1), static_cast<size_t>(tensor.strides[i])));
  return end;
}

// Copies element by element in row-major order.
void gather(const PickleValue& tensor, std::span<const std::byte> storage, size_t element, std::byte* output) {
  std::vector<int64_t> index(tensor.shape.size(), 0);
  const size_t count = count_of(tensor.shape);
  for (size_t n = 0; n < count; ++n, output += element) {
    int64_t position = tensor.integer;
    for (size_t i = 0; i < index.size(); ++i) position += index[i] * tensor.strides[i];
    std::memcpy(output, storage.data() + static_cast<size_t>(position) * element, element);
    for (size_t i = index.size(); i-- > 0;) {
      if (++index[i] < tensor.shape[i]) break;
      index[i] = 0;
    }
  }
}

class Collector {
 public:
  Collector(const StorageBytes& storage_bytes, size_t max_copied, Weights& weights)
      : storage_bytes_(storage_bytes), copies_left_(max_copied), weights_(weights) {}

  void add_tensor(const std::string& name, const PickleValue& value) {
    Tensor tensor{name, value.storage.dtype, value.shape, {}};
    const size_t element = dtype_bytes(tensor.dtype), count = count_of(value.shape);
    if (count > 0) {
      const std::span<const std::byte> storage = storage_bytes_(value.storage);
      if (multiply(end_of(value), element) > storage.size())
        throw Corrupt{"tensor '" + name + "' lies outside its storage"};
      const size_t size = multiply(count, element);
      tensor.bytes = is_dense(value) ? storage.subspan(static_cast<size_t>(value.integer) * element, size)
                                     : copy(name, value, storage, element, size);
    }
    weights_.tensors.push_back(std::move(tensor));
  }

 private:
  std::span<const std::byte> copy(const std::string& name, const PickleValue& value, std::span<const std::byte> storage,
                                  size_t element, size_t size) {
    if (size > copies_left_) throw Corrupt{"tensor '" + name + "' is larger than the file"};
    copies_left_ -= size;
    auto bytes = std::make_shared<std::vector<std::byte>>(size);
    gather(value, storage, element, bytes->data());
    weights_.owners.push_back(bytes);
    return *bytes;
  }

  const StorageBytes& storage_bytes_;
  size_t copies_left_;
  Weights& weights_;
};

}  // namespace

void collect_state_dict(const PickleValue& root, const StorageBytes& storage_bytes, size_t max_copied,
                        Weights& weights) {
  const PickleValue& dict = find_state_dict(root);
  Collector collector(storage_bytes, max_copied, weights);
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue &key = *dict.items[i], &value = *dict.items[i + 1];
    if (value.kind != Kind::Tensor) continue;
    if (key.kind != Kind::Text) throw Corrupt{"its state dict has a key that is not a text"};
    if (weights.tensors.size() == kMaxTensors) throw Corrupt{"it has more than 20000 tensors"};
    collector.add_tensor(key.text, value);
  }
  std::ranges::sort(weights.tensors, {}, &Tensor::name);
  if (std::ranges::adjacent_find(weights.tensors, {}, &Tensor::name) != weights.tensors.end())
    throw Corrupt{"its state dict names a tensor twice"};
}

}  // namespace resnetft
