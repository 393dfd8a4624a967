// SPDX-License-Identifier: MIT
#include "live/store_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"

namespace resnetft {
namespace {

constexpr std::chrono::seconds kSyncInterval{1};

Error io_error(const std::string& what, const std::string& path, int error_number) {
  return {ErrorCode::Io, what + " '" + path + "': " + std::strerror(error_number),
          "check the folder, its permissions and the space on the disk"};
}

Result<OpenFile> lock_folder(const std::string& folder) {
  std::error_code reason;
  std::filesystem::create_directories(folder, reason);
  OpenFile opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.fd() < 0) return io_error("cannot open the folder", folder, reason ? reason.value() : errno);
  if (flock(opened.fd(), LOCK_EX | LOCK_NB) == 0) return opened;
  if (errno != EWOULDBLOCK) return io_error("cannot lock the folder", folder, errno);
  return Error{ErrorCode::InvalidArgument, "the store '" + folder + "' is in use",
               "end the other learner, or name another folder"};
}

// Of a snapshot that a kill interrupted: "store.resnetft.PID-N.part".
void remove_leftovers(const std::string& folder) {
  std::error_code reason;
  std::vector<std::filesystem::path> leftovers;
  for (std::filesystem::directory_iterator entry(folder, reason);
       !reason && entry != std::filesystem::directory_iterator(); entry.increment(reason)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("store.resnetft.") && name.ends_with(".part")) leftovers.push_back(entry->path());
  }
  for (const std::filesystem::path& path : leftovers) std::filesystem::remove(path, reason);
}

bool write_at(int fd, const EncodedRecord& record, uint64_t offset) {
  std::array<std::span<const std::byte>, 2> parts = {record.head, record.picture};
  while (!parts[0].empty() || !parts[1].empty()) {
    std::array<iovec, 2> pieces;
    for (size_t i = 0; i < parts.size(); ++i) pieces[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
    const ssize_t written = pwritev(fd, pieces.data(), pieces.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    offset += static_cast<uint64_t>(written);
    size_t left = static_cast<size_t>(written);
    for (std::span<const std::byte>& part : parts) {
      const size_t done = std::min(left, part.size());
      part = part.subspan(done);
      left -= done;
    }
  }
  return true;
}

}  // namespace

OpenFile::~OpenFile() {
  if (fd_ >= 0) close(fd_);
}

Result<std::unique_ptr<StoreLog>> StoreLog::open(const std::string& folder, const StoreNote& note,
                                                 const std::function<bool(StoreRecord&&)>& apply) {
  Result<OpenFile> locked = lock_folder(folder);
  if (!locked) return locked.error();
  remove_leftovers(folder);
  const std::string path = (std::filesystem::path(folder) / "store.resnetft").string();
  std::unique_ptr<StoreLog> log(new StoreLog(path, std::move(*locked)));
  log->last_sync_ = std::chrono::steady_clock::now();
  std::error_code ignored;
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
  if (Status status = exists ? log->load(note, apply) : log->replace({}); !status) return status.error();
  return log;
}

StoreLog::~StoreLog() { (void)sync(); }

Status StoreLog::open_file() {
  OpenFile opened(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  if (opened.fd() < 0) return io_error("cannot open", path_, errno);
  file_ = std::move(opened);
  return Status::success();
}

Status StoreLog::load(const StoreNote& note, const std::function<bool(StoreRecord&&)>& apply) {
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path_);
  if (!file) return file.error();
  const std::span<const std::byte> bytes = (*file)->bytes();
  const Result<size_t> good = scan_store(bytes, path_, apply);
  if (!good) return good.error();
  if (*good == 0) {
    note(LogLevel::Warning, "'" + path_ + "' held nothing but the beginning of a header and was begun anew");
    return replace({});
  }
  if (Status status = open_file(); !status) return status;
  end_ = *good;
  if (*good == bytes.size()) return Status::success();
  // The first byte may begin a record that is whole and that `apply` did not take.
  const std::span<const std::byte> behind = bytes.subspan(*good + 1);
  if (const std::optional<size_t> next = find_record(behind))
    if (Status kept = keep_apart(behind.subspan(*next), note); !kept) return kept;
  return cut_to(*good, bytes.size(), note);
}

Status StoreLog::keep_apart(std::span<const std::byte> records, const StoreNote& note) const {
  const std::string path = path_ + ".damaged";
  const std::vector<std::byte> header = store_header();
  const std::array<std::span<const std::byte>, 2> parts = {header, records};
  if (Status written = write_file_atomically(path, parts); !written) return written;
  std::string text = "what follows the damage in '";
  text.append(path_).append("' is kept in '").append(path);
  text.append("', which is a store under the name store.resnetft in a folder of its own");
  note(LogLevel::Warning, text);
  return Status::success();
}

Status StoreLog::cut_to(uint64_t good_bytes, uint64_t all_bytes, const StoreNote& note) {
  if (ftruncate(file_.fd(), static_cast<off_t>(good_bytes)) != 0) return io_error("cannot shorten", path_, errno);
  std::string text = "the last ";
  text.append(std::to_string(all_bytes - good_bytes)).append(" bytes of '").append(path_);
  text.append("' were cut short or damaged and were cut off; what lies before them is kept");
  note(LogLevel::Warning, text);
  return Status::success();
}

Status StoreLog::append(const EncodedRecord& record) {
  if (!write_at(file_.fd(), record, end_)) {
    const Error error = io_error("cannot write", path_, errno);
    // Should that fail, too: what is torn is overwritten by the next record, or cut off at the next start.
    if (ftruncate(file_.fd(), static_cast<off_t>(end_)) != 0) return error;
    return error;
  }
  end_ += record.size();
  unsynced_ = true;
  if (std::chrono::steady_clock::now() - last_sync_ < kSyncInterval) return Status::success();
  return sync();
}

Status StoreLog::replace(std::span<const EncodedRecord> records) {
  const std::vector<std::byte> header = store_header();
  std::vector<std::span<const std::byte>> parts = {header};
  uint64_t bytes = header.size();
  for (const EncodedRecord& record : records) {
    parts.insert(parts.end(), {record.head, record.picture});
    bytes += record.size();
  }
  const Status written = write_file_atomically(path_, parts);
  if (!written && names_open_file()) return written;
  // The new file stands there, also where only its folder could not be synced.
  if (Status status = open_file(); !status) return status;
  end_ = bytes;
  unsynced_ = false;
  return written;
}

bool StoreLog::names_open_file() const {
  struct stat named, opened;
  return stat(path_.c_str(), &named) == 0 && fstat(file_.fd(), &opened) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

Status StoreLog::sync() {
  last_sync_ = std::chrono::steady_clock::now();
  if (!std::exchange(unsynced_, false) || fdatasync(file_.fd()) == 0) return Status::success();
  return io_error("cannot write", path_, errno);
}

}  // namespace resnetft
