// SPDX-License-Identifier: MIT
// A store's file: opened by one process at a time, appended to, replaced as a whole.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "live/store_note.h"
#include "live/store_record.h"
#include "resnetft/error.h"

namespace resnetft {

// An open file descriptor, closed at the end.
class OpenFile {
 public:
  explicit OpenFile(int fd = -1) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OpenFile();
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Each record is written by one call (pwritev), so that a kill tears at most that one. fdatasync() with the first
// record a second after the last one, by sync(), and at the end: a crash of the machine loses what came since, a crash
// of the process nothing. Reentrant, not thread-safe.
class StoreLog {
 public:
  // Makes the folder and the file where they are missing; else gives every good record to `apply` and cuts off what
  // follows the last, with a note. Good records behind the damage go to store.resnetft.damaged, a store of its own.
  // InvalidArgument: in use, by another process or by this one (flock of the folder). Io; errors of scan_store(), after
  // which the file is as it was.
  static Result<std::unique_ptr<StoreLog>> open(const std::string& folder, const StoreNote& note,
                                                const std::function<bool(StoreRecord&&)>& apply);
  ~StoreLog();

  // Io: the file ends with the record before.
  Status append(const EncodedRecord& record);
  // A file of these records in place of the old one. Io: the old one is as it was.
  Status replace(std::span<const EncodedRecord> records);
  Status sync();

  uint64_t bytes() const { return end_; }
  const std::string& path() const { return path_; }

 private:
  explicit StoreLog(std::string path, OpenFile folder) : path_(std::move(path)), folder_(std::move(folder)) {}
  Status open_file();
  bool names_open_file() const;
  Status load(const StoreNote& note, const std::function<bool(StoreRecord&&)>& apply);
  Status keep_apart(std::span<const std::byte> records, const StoreNote& note) const;
  Status cut_to(uint64_t good_bytes, uint64_t all_bytes, const StoreNote& note);

  std::string path_;
  OpenFile folder_;  // holds the lock
  OpenFile file_;
  uint64_t end_ = 0;  // of the last good record
  bool unsynced_ = false;
  std::chrono::steady_clock::time_point last_sync_ = {};
};

}  // namespace resnetft
