// SPDX-License-Identifier: MIT
// torch.save() since 1.6: a zip of PREFIX/data.pkl, PREFIX/byteorder and a file PREFIX/data/KEY for each storage, all
// stored without compression. A compressed entry is refused, so that no small file can become a large one.
#include <zip.h>

#include <map>

#include "model/corrupt.h"
#include "model/state_dict.h"

namespace resnetft {
namespace {

constexpr zip_int64_t kMaxEntries = 200'000;

class Archive {
 public:
  explicit Archive(std::span<const std::byte> bytes) : bytes_left_(bytes.size()) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
    archive_ = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
    if (!archive_ && source) zip_source_free(source);
    const std::string reason = archive_ ? "" : zip_error_strerror(&error);
    zip_error_fini(&error);
    if (!archive_) throw Corrupt{"it is no zip file that can be read (" + reason + ")"};
    if (zip_get_num_entries(archive_, 0) > kMaxEntries) {
      zip_discard(archive_);
      throw Corrupt{"it has more than " + std::to_string(kMaxEntries) + " entries"};
    }
  }
  ~Archive() { zip_discard(archive_); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // "PREFIX/" of PREFIX/data.pkl.
  std::string prefix() const {
    constexpr std::string_view kPickle = "data.pkl";
    for (zip_int64_t i = 0; i < zip_get_num_entries(archive_, 0); ++i) {
      const char* raw = zip_get_name(archive_, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
      const std::string_view name = raw ? raw : "";
      if (name.ends_with(kPickle) && name.size() > kPickle.size() && name[name.size() - kPickle.size() - 1] == '/')
        return std::string(name.substr(0, name.size() - kPickle.size()));
    }
    throw Corrupt{"it has no data.pkl; a TorchScript or foreign archive is not read"};
  }

  bool has(const std::string& name) const { return zip_name_locate(archive_, name.c_str(), ZIP_FL_ENC_RAW) >= 0; }

  // All entries that are read may not be larger together than the file: a zip whose entries overlap is refused.
  std::shared_ptr<std::vector<std::byte>> read(const std::string& name) {
    const zip_int64_t index = zip_name_locate(archive_, name.c_str(), ZIP_FL_ENC_RAW);
    zip_stat_t info;
    if (index < 0 || zip_stat_index(archive_, static_cast<zip_uint64_t>(index), 0, &info) != 0)
      throw Corrupt{"entry '" + name + "' is missing"};
    constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    if ((info.valid & kNeeded) != kNeeded || info.comp_method != ZIP_CM_STORE)
      throw Corrupt{"entry '" + name + "' is compressed, which torch.save() never does"};
    if (info.size > bytes_left_) throw Corrupt{"its entries are larger than the file"};
    bytes_left_ -= info.size;
    auto bytes = std::make_shared<std::vector<std::byte>>(info.size);
    zip_file_t* file = zip_fopen_index(archive_, static_cast<zip_uint64_t>(index), 0);
    const bool whole = file && zip_fread(file, bytes->data(), info.size) == static_cast<zip_int64_t>(info.size);
    // Reading to the end makes libzip compare the checksum.
    std::byte beyond;
    const bool good = whole && zip_fread(file, &beyond, 1) == 0;
    if (file) zip_fclose(file);
    if (!good) throw Corrupt{"entry '" + name + "' is damaged"};
    return bytes;
  }

 private:
  zip_t* archive_ = nullptr;
  uint64_t bytes_left_;
};

void check_byte_order(Archive& archive, const std::string& prefix) {
  if (!archive.has(prefix + "byteorder")) return;
  const auto bytes = archive.read(prefix + "byteorder");
  if (std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()) != "little")
    throw Corrupt{"it was written on a big-endian machine"};
}

Weights parse(std::span<const std::byte> bytes) {
  Archive archive(bytes);
  const std::string prefix = archive.prefix();
  check_byte_order(archive, prefix);
  const auto pickle_bytes = archive.read(prefix + "data.pkl");
  const Pickle pickle = parse_pickle(*pickle_bytes);
  Weights weights;
  std::map<std::string, std::span<const std::byte>> storages;
  collect_state_dict(
      *pickle.root,
      [&](const StorageReference& reference) {
        std::span<const std::byte>& storage = storages[reference.key];
        if (storage.empty()) {
          const auto entry = archive.read(prefix + "data/" + reference.key);
          storage = *entry;
          weights.owners.push_back(entry);
        }
        return storage;
      },
      bytes.size(), weights);
  return weights;
}

}  // namespace

Result<Weights> parse_pytorch_zip(std::span<const std::byte> bytes, const std::string& name) {
  return with_file_name(name, "pytorch-zip", [&] { return parse(bytes); });
}

}  // namespace resnetft
