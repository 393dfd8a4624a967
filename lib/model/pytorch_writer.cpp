// SPDX-License-Identifier: MIT
#include "model/pytorch_zip.h"

#include <array>
#include <optional>
#include <span>
#include <string>

#include "model/zip_entries.h"

namespace resnetft {
namespace {

constexpr std::string_view kPrefix = "archive/";
constexpr std::string_view kRunningMean = "running_mean";
constexpr std::array<std::byte, sizeof(int64_t)> kZeroCounter = {};

// One tensor of the checkpoint; `bytes` borrow.
struct Entry {
  std::string name;
  std::vector<int64_t> shape;
  bool is_counter;
  std::span<const std::byte> bytes;
  int64_t size() const { return static_cast<int64_t>(bytes.size() / (is_counter ? sizeof(int64_t) : sizeof(float))); }
};

std::vector<Entry> entries_of(const FloatWeights& weights) {
  std::vector<Entry> entries;
  for (const auto& [name, tensor] : weights) {
    entries.push_back({name, tensor.shape, false, std::as_bytes(std::span(tensor.values))});
    if (name.ends_with(kRunningMean))
      entries.push_back(
          {name.substr(0, name.size() - kRunningMean.size()) + "num_batches_tracked", {}, true, kZeroCounter});
  }
  return entries;
}

// A pickle of protocol 2 (Python's pickletools names the opcodes).
class PickleText {
 public:
  void raw(std::string_view bytes) { text_ += bytes; }
  void global(std::string_view module, std::string_view name) {
    text_ += 'c';
    text_ += std::string(module) + "\n" + std::string(name) + "\n";
  }
  void text(std::string_view value) {
    text_ += 'X';
    little_endian(value.size(), 4);
    text_ += value;
  }
  void integer(int64_t value) {
    text_ += "\x8a\x08";  // LONG1 of eight bytes
    little_endian(static_cast<uint64_t>(value), 8);
  }
  void integers(const std::vector<int64_t>& values) {
    text_ += '(';
    for (const int64_t value : values) integer(value);
    text_ += 't';
  }
  std::string take() { return std::move(text_); }

 private:
  void little_endian(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_ += static_cast<char>(value >> 8 * i);
  }
  std::string text_;
};

std::vector<int64_t> dense_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
void pickle_tensor(PickleText& pickle, const Entry& entry, size_t key) {
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.raw("((");
  pickle.text("storage");
  pickle.global("torch", entry.is_counter ? "LongStorage" : "FloatStorage");
  pickle.text(std::to_string(key));
  pickle.text("cpu");
  pickle.integer(entry.size());
  pickle.raw("tQ");
  pickle.integer(0);
  pickle.integers(entry.shape);
  pickle.integers(dense_strides(entry.shape));
  pickle.raw("\x89");
  pickle.global("collections", "OrderedDict");
  pickle.raw(")RtR");
}

std::string pickle_of(const std::vector<Entry>& entries) {
  PickleText pickle;
  pickle.raw("\x80\x02");
  pickle.global("collections", "OrderedDict");
  pickle.raw(")R(");
  for (size_t i = 0; i < entries.size(); ++i) {
    pickle.text(entries[i].name);
    pickle_tensor(pickle, entries[i], i);
  }
  pickle.raw("u.");
  return pickle.take();
}

// A zip of stored entries as pieces (PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16). Data begin at multiples
// of 64 bytes, as PyTorch's own do, so that mapped tensors are aligned; the padding stands in an extra field.
class ZipWriter {
 public:
  void add(const std::string& name, std::span<const std::byte> bytes) {
    constexpr uint64_t kAlignment = 64, kLocalBytes = 30, kExtraHeader = 4;
    constexpr uint16_t kPaddingExtra = 0x4246;  // "FB", which PyTorch uses
    const uint64_t begin = offset_ + kLocalBytes + name.size() + kExtraHeader;
    const uint64_t padding = (kAlignment - begin % kAlignment) % kAlignment;
    std::string shared;         // what the local and the central header have in common
    number(shared, 0, 2);       // version needed
    number(shared, 0x0800, 2);  // names are UTF-8
    number(shared, 0, 2);       // stored
    number(shared, 0, 2);       // time
    number(shared, 0x21, 2);    // 1980-01-01, so that the same model gives the same bytes
    number(shared, crc32_of(bytes), 4);
    number(shared, bytes.size(), 4);
    number(shared, bytes.size(), 4);
    number(shared, name.size(), 2);

    number(directory_, 0x02014b50, 4);
    number(directory_, 0, 2);
    directory_ += shared;
    number(directory_, 0, 2 + 2 + 2 + 2 + 4);  // extra, comment, disk, attributes
    number(directory_, offset_, 4);
    directory_ += name;
    ++entries_;

    std::string local;
    number(local, 0x04034b50, 4);
    local += shared;
    number(local, kExtraHeader + padding, 2);
    local += name;
    number(local, kPaddingExtra, 2);
    number(local, padding, 2);
    local.append(padding, 'Z');
    append(std::move(local));
    parts_.pieces.push_back(bytes);
    offset_ += bytes.size();
  }

  // Bytes that live as long as the parts.
  std::span<const std::byte> keep(std::string text) {
    parts_.texts.push_back(std::move(text));
    return std::as_bytes(std::span(parts_.texts.back()));
  }

  // Nothing where a size or an offset needs more than the format's 32 bits, or the count more than 16.
  std::optional<ZipParts> finish() {
    if (offset_ + directory_.size() > UINT32_MAX || entries_ >= UINT16_MAX) return std::nullopt;
    std::string end = directory_;
    number(end, 0x06054b50, 4);
    number(end, 0, 4);
    number(end, entries_, 2);
    number(end, entries_, 2);
    number(end, directory_.size(), 4);
    number(end, offset_, 4);
    number(end, 0, 2);
    append(std::move(end));
    return std::move(parts_);
  }

 private:
  static void number(std::string& text, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> 8 * i : 0);
  }
  void append(std::string text) {
    offset_ += text.size();
    parts_.pieces.push_back(keep(std::move(text)));
  }

  ZipParts parts_;
  std::string directory_;
  uint64_t offset_ = 0, entries_ = 0;
};

}  // namespace

Result<ZipParts> pytorch_zip_parts(const FloatWeights& weights, std::string_view card) {
  const std::vector<Entry> entries = entries_of(weights);
  ZipWriter zip;
  const auto add = [&](const std::string& name, std::span<const std::byte> bytes) {
    zip.add(std::string(kPrefix) + name, bytes);
  };
  add("data.pkl", zip.keep(pickle_of(entries)));
  add("byteorder", zip.keep("little"));
  for (size_t i = 0; i < entries.size(); ++i) add("data/" + std::to_string(i), entries[i].bytes);
  add("version", zip.keep("3\n"));
  if (!card.empty()) add(kCardEntry, zip.keep(std::string(card)));
  std::optional<ZipParts> parts = zip.finish();
  if (!parts)
    return Error{ErrorCode::Incompatible, "the model is too large for a .pth file (4 GiB)", "write .safetensors"};
  return std::move(*parts);
}

}  // namespace resnetft
