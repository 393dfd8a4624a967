// SPDX-License-Identifier: MIT
// torch.save() before 1.6: pickles of a magic number, a protocol version, the system's properties, the object, and the
// keys of the storages; then, in the order of the keys, each storage's count of elements and its elements.
#include <cstring>
#include <map>

#include "model/corrupt.h"
#include "model/state_dict.h"

namespace resnetft {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr int64_t kProtocol = 1001;

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  Pickle next_pickle() {
    Pickle pickle = parse_pickle(rest_);
    rest_ = rest_.subspan(pickle.size);
    return pickle;
  }

  // A count of elements in front; how large one is only the object's pickle knows.
  std::span<const std::byte> next_storage(size_t element) {
    int64_t count;
    if (rest_.size() < sizeof count) throw Corrupt{"its storages are cut short"};
    std::memcpy(&count, rest_.data(), sizeof count);
    rest_ = rest_.subspan(sizeof count);
    if (count < 0 || static_cast<uint64_t>(count) > rest_.size() / element) throw Corrupt{"its storages are cut short"};
    const std::span<const std::byte> storage = rest_.first(static_cast<size_t>(count) * element);
    rest_ = rest_.subspan(storage.size());
    return storage;
  }

 private:
  std::span<const std::byte> rest_;
};

void check_preamble(Reader& reader) {
  const Pickle magic = reader.next_pickle();
  if (magic.root->kind != Kind::LongInt || magic.root->text != kMagic) throw Corrupt{"it lacks PyTorch's magic number"};
  const Pickle protocol = reader.next_pickle();
  if (protocol.root->kind != Kind::Int || protocol.root->integer != kProtocol)
    throw Corrupt{"it is of another protocol than 1001"};
  const Pickle system = reader.next_pickle();
  const PickleValue* little_endian = find_key(*system.root, "little_endian");
  if (little_endian && little_endian->integer == 0)
    throw Corrupt{"it was written on a big-endian machine", "write it again on a little-endian one"};
}

std::map<std::string_view, size_t> element_sizes(const Pickle& object) {
  std::map<std::string_view, size_t> sizes;
  for (const StorageReference& storage : object.storages) sizes[storage.key] = dtype_bytes(storage.dtype);
  return sizes;
}

Weights parse(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  check_preamble(reader);
  const Pickle object = reader.next_pickle();
  const Pickle keys = reader.next_pickle();
  const std::map<std::string_view, size_t> sizes = element_sizes(object);
  std::map<std::string_view, std::span<const std::byte>> storages;
  for (const PickleValue* key : keys.root->items) {
    const auto size = key->kind == Kind::Text ? sizes.find(key->text) : sizes.end();
    if (size == sizes.end()) throw Corrupt{"it has a storage that its pickle does not name"};
    storages[key->text] = reader.next_storage(size->second);
  }
  Weights weights;
  collect_state_dict(
      *object.root,
      [&](const StorageReference& reference) {
        const auto found = storages.find(reference.key);
        if (found == storages.end()) throw Corrupt{"storage '" + std::string(reference.key) + "' is missing"};
        return found->second;
      },
      bytes.size(), weights);
  return weights;
}

}  // namespace

Result<Weights> parse_pytorch_legacy(std::span<const std::byte> bytes, const std::string& name) {
  return with_file_name(name, "pytorch-legacy", [&] { return parse(bytes); });
}

}  // namespace resnetft
