// SPDX-License-Identifier: MIT
#include "device/module_file.h"

#include <dlfcn.h>

#include <filesystem>

#include "device/module_build.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

// The folder of the shared object (or program) that this function lies in.
fs::path own_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&own_folder), &info) == 0 || !info.dli_fname) return {};
  return fs::path(info.dli_fname).parent_path();
}

}  // namespace

std::string module_path(const ModuleFile& file) {
  const fs::path beside = own_folder() / file.file_name;
  std::error_code ignored;
  return (fs::exists(beside, ignored) ? beside : fs::path(RESNETFT_MODULE_FOLDER) / file.file_name).string();
}

Error module_unavailable(const ModuleFile& file, const std::string& reason) {
  return {ErrorCode::DeviceUnavailable, std::string(file.part) + " cannot be used: " + reason, file.hint};
}

Result<void*> open_module_file(const ModuleFile& file) {
  const std::string path = module_path(file);
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();
    return module_unavailable(file, reason ? reason : "'" + path + "' does not open");
  }
  void* entry = dlsym(handle, file.entry);
  if (!entry) return module_unavailable(file, "'" + path + "' is not a module of resnetft");
  return entry;
}

Status check_module_version(const ModuleFile& file, unsigned found, unsigned expected) {
  if (found == expected) return Status::success();
  std::string message = "'";
  message.append(module_path(file))
      .append("' has version ")
      .append(std::to_string(found))
      .append(" of the module's interface, not ")
      .append(std::to_string(expected));
  return Error{ErrorCode::Incompatible, std::move(message),
               "install libresnetft and " + std::string(file.file_name) + " of one build"};
}

}  // namespace resnetft
