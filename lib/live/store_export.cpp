// SPDX-License-Identifier: MIT
#include "live/store_export.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/atomic_file.h"
#include "base/formatted.h"
#include "base/hash.h"
#include "data/image_file.h"
#include "live/replay_store.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestName = 200;  // file systems take 255 bytes

Error cannot_make(const fs::path& folder, const std::error_code& reason) {
  return {ErrorCode::Io, "cannot make the folder '" + folder.string() + "': " + reason.message(),
          "check the folder, its permissions and the space on the disk"};
}

Status check_pictures(std::span<const std::shared_ptr<const Sample>> samples) {
  const auto without = std::ranges::count_if(samples, [](const auto& sample) { return !sample->picture; });
  if (without == 0) return Status::success();
  std::string message = std::to_string(without);
  message.append(" of ").append(std::to_string(samples.size())).append(" samples have no picture to export");
  return Error{ErrorCode::Incompatible, std::move(message), "collect them with store-frames=true"};
}

Status check_empty(const std::string& folder) {
  std::error_code reason;
  if (!fs::exists(folder, reason) || fs::is_empty(folder, reason)) return Status::success();
  return Error{ErrorCode::InvalidArgument, "the folder '" + folder + "' is not empty", "name another folder"};
}

// A class that only the other side has keeps an empty folder under train/, so that both sides know the same classes.
Status make_folders(const Sample& sample, const fs::path& folder, fs::path& own) {
  const std::string name = folder_name_of(sample.label);
  own = folder / (sample.side == HoldoutSide::Holdout ? "val" : "train") / name;
  for (const fs::path& path : {folder / "train" / name, own}) {
    std::error_code reason;
    fs::create_directories(path, reason);
    if (reason) return cannot_make(path, reason);
  }
  return Status::success();
}

Status write_picture(const Sample& sample, const fs::path& folder) {
  const SmallPicture& picture = *sample.picture;
  const Result<std::string> png = encode_png(picture.rgb, picture.width, picture.height);
  if (!png) return png.error();
  return write_file_atomically((folder / (std::to_string(sample.id) + ".png")).string(), *png);
}

void append_text(std::string& bytes, const std::string& text) {
  bytes.append(std::to_string(text.size())).append(":").append(text);
}

}  // namespace

std::string folder_name_of(std::string_view label) {
  std::string name;
  for (size_t i = 0; i < label.size(); ++i) {
    const auto c = static_cast<unsigned char>(label[i]);
    const bool is_plain = c >= ' ' && c != 127 && c != '/' && c != '%' && !(c == '.' && i == 0);
    name += is_plain ? std::string(1, label[i]) : formatted("%%%02X", c);
  }
  if (name.size() <= kLongestName) return name;
  const std::string hash = sha256_hex(std::as_bytes(std::span(label)));
  size_t kept = kLongestName - hash.size() - 1;
  while (kept > 0 && (static_cast<unsigned char>(name[kept]) & 0xc0) == 0x80) --kept;  // not within a UTF-8 character
  return name.substr(0, kept) + "-" + hash;
}

Status export_samples(std::span<const std::shared_ptr<const Sample>> samples, const std::string& folder) {
  if (Status status = check_pictures(samples); !status) return status;
  if (Status status = check_empty(folder); !status) return status;
  for (const std::shared_ptr<const Sample>& sample : samples) {
    fs::path own;
    if (Status status = make_folders(*sample, folder, own); !status) return status;
    if (Status status = write_picture(*sample, own); !status) return status;
  }
  return Status::success();
}

std::string manifest_of(std::span<const std::shared_ptr<const Sample>> samples) {
  std::string bytes;
  for (const std::shared_ptr<const Sample>& sample : samples) {
    bytes.append(std::to_string(sample->id)).append(" ");
    append_text(bytes, sample->key.stream_id);
    for (const uint64_t number : {sample->key.epoch, sample->key.running_time_ns, uint64_t{sample->key.region}})
      bytes.append(" ").append(std::to_string(number));
    append_text(bytes, sample->label);
    bytes.append(sample->side == HoldoutSide::Holdout ? " holdout\n" : " train\n");
  }
  return sha256_hex(std::as_bytes(std::span(std::string_view(bytes))));
}

}  // namespace resnetft
