// SPDX-License-Identifier: MIT
#include "model/pytorch_writer.h"

#include <zip.h>

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>

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

// A zip that grows in memory.
class ArchiveWriter {
 public:
  ArchiveWriter() {
    buffer_ = zip_source_buffer_create(nullptr, 0, 0, nullptr);
    zip_source_keep(buffer_);
    archive_ = zip_open_from_source(buffer_, ZIP_TRUNCATE, nullptr);
  }
  ~ArchiveWriter() {
    if (archive_) zip_discard(archive_);
    zip_source_free(buffer_);
  }
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  bool add(const std::string& name, std::span<const std::byte> bytes) {
    zip_source_t* source = zip_source_buffer(archive_, bytes.data(), bytes.size(), 0);
    const zip_int64_t index =
        source ? zip_file_add(archive_, (std::string(kPrefix) + name).c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) {
      if (source) zip_source_free(source);
      return false;
    }
    return zip_set_file_compression(archive_, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0) == 0;
  }

  // The finished file, or nothing.
  std::vector<std::byte> finish() {
    if (zip_close(archive_) != 0) return {};
    archive_ = nullptr;
    zip_stat_t info;
    if (zip_source_stat(buffer_, &info) != 0 || zip_source_open(buffer_) != 0) return {};
    std::vector<std::byte> bytes(info.size);
    const bool whole = zip_source_read(buffer_, bytes.data(), bytes.size()) == static_cast<zip_int64_t>(bytes.size());
    zip_source_close(buffer_);
    return whole ? bytes : std::vector<std::byte>();
  }

 private:
  zip_source_t* buffer_ = nullptr;
  zip_t* archive_ = nullptr;
};

}  // namespace

Result<std::vector<std::byte>> pytorch_zip_bytes(const FloatWeights& weights) {
  const std::vector<Entry> entries = entries_of(weights);
  const std::string pickle = pickle_of(entries);
  const auto bytes_of = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  ArchiveWriter archive;
  bool good = archive.add("data.pkl", bytes_of(pickle)) && archive.add("byteorder", bytes_of("little")) &&
              archive.add("version", bytes_of("3\n"));
  for (size_t i = 0; i < entries.size(); ++i) good = good && archive.add("data/" + std::to_string(i), entries[i].bytes);
  std::vector<std::byte> bytes = good ? archive.finish() : std::vector<std::byte>();
  if (bytes.empty()) return Error{ErrorCode::OutOfMemory, "no memory for the checkpoint's zip", "free some memory"};
  return bytes;
}

}  // namespace resnetft
