// SPDX-License-Identifier: MIT
// torch.save() since 1.6: a zip of PREFIX/data.pkl, PREFIX/byteorder and a file PREFIX/data/KEY for each storage, all
// stored without compression. resnetft adds PREFIX/resnetft.json, the model's card.
#include "model/pytorch_zip.h"
#include "model/corrupt.h"
#include "model/state_dict.h"
#include "model/zip_entries.h"

namespace resnetft {
namespace {

// "PREFIX/" of PREFIX/data.pkl.
std::string find_prefix(const ZipEntries& entries) {
  for (const auto& [name, entry] : entries)
    if (name.ends_with("/data.pkl")) return name.substr(0, name.rfind('/') + 1);
  throw Corrupt{"it has no data.pkl; a TorchScript or foreign archive is not read"};
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The entries of one checkpoint. Checksums are compared last, in one go over what was used: what damaged data say is
// taken for hostile anyway.
class Archive {
 public:
  explicit Archive(std::span<const std::byte> bytes)
      : entries_(read_zip_entries(bytes)), prefix_(find_prefix(entries_)) {}

  std::span<const std::byte> read(const std::string& name) {
    const auto found = entries_.find(prefix_ + name);
    if (found == entries_.end()) throw Corrupt{"its zip entry '" + prefix_ + name + "' is missing"};
    used_.insert(*found);
    return found->second.bytes;
  }
  bool has(const std::string& name) const { return entries_.contains(prefix_ + name); }
  void check_used() const {
    for (const auto& [name, entry] : used_) check_crc(name, entry);
  }

 private:
  ZipEntries entries_;
  ZipEntries used_;
  std::string prefix_;
};

Weights parse(std::span<const std::byte> bytes) {
  Archive archive(bytes);
  if (archive.has("byteorder") && text_of(archive.read("byteorder")) != "little")
    throw Corrupt{"it was written on a big-endian machine", "write it again on a little-endian one"};
  const Pickle pickle = parse_pickle(archive.read("data.pkl"));
  Weights weights;
  if (archive.has(kCardEntry)) weights.metadata["resnetft"] = text_of(archive.read(kCardEntry));
  collect_state_dict(
      *pickle.root,
      [&](const StorageReference& reference) { return archive.read("data/" + std::string(reference.key)); },
      bytes.size(), weights);
  archive.check_used();
  return weights;
}

}  // namespace

Result<Weights> parse_pytorch_zip(std::span<const std::byte> bytes, const std::string& name) {
  return with_file_name(name, "pytorch-zip", [&] { return parse(bytes); });
}

}  // namespace resnetft
