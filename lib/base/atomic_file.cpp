// SPDX-License-Identifier: MIT
#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

namespace resnetft {
namespace {

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

// A new file beside `path`, named after it. open() applies the umask, which mkstemp() would leave out and which no
// thread can read without changing it for all. Negative: errno says why.
int create_beside(const std::string& path, std::string& temporary) {
  static std::atomic<unsigned> count = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary = path + "." + std::to_string(getpid()) + "-" + std::to_string(count++) + ".part";
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

// A file that replaces another keeps the other's mode.
bool keep_mode(int fd, const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) != 0 || fchmod(fd, info.st_mode & 07777) == 0;
}

// A rename is durable once its folder is synced.
bool sync_folder(const std::filesystem::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = fsync(fd) == 0 || errno == EINVAL;
  close(fd);
  return synced;
}

Error write_error(const std::string& path, int error_number) {
  return {ErrorCode::Io, "cannot write '" + path + "': " + std::strerror(error_number),
          "check the folder, its permissions and the space on the disk"};
}

}  // namespace

Status write_file_atomically(const std::string& path, std::span<const std::span<const std::byte>> parts) {
  std::string temporary;
  const int fd = create_beside(path, temporary);
  if (fd < 0) return write_error(path, errno);
  bool good = keep_mode(fd, path);
  for (const std::span<const std::byte> part : parts) good = good && write_all(fd, part);
  good = good && fsync(fd) == 0;
  int error_number = errno;
  if (close(fd) != 0 && good) {
    error_number = errno;
    good = false;
  }
  if (good && std::rename(temporary.c_str(), path.c_str()) != 0) {
    error_number = errno;
    good = false;
  }
  if (!good) {
    unlink(temporary.c_str());
    return write_error(path, error_number);
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!sync_folder(folder.empty() ? "." : folder)) return write_error(path, errno);
  return Status::success();
}

Status write_file_atomically(const std::string& path, std::string_view text) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  return write_file_atomically(path, {&bytes, 1});
}

}  // namespace resnetft
