// SPDX-License-Identifier: MIT
// Opens libresnetft-torch.so. LibTorch's libraries carry no version in their names, so that the loader would bind the
// module to whatever libtorch_cpu.so is in the process already (a Python program that imported torch): the versions
// are compared before the module is opened.
#include "device/torch_module.h"

#include <dlfcn.h>
#include <link.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "device/module_file.h"
#include "device/torch_build.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

constexpr ModuleFile kFile = {"libresnetft-torch.so", "resnetft_torch_module", "LibTorch",
                              "run tools/setup.sh and build again, or build with -Dlibtorch=PATH"};
constexpr const char* kLibTorchFileName = "libtorch_cpu.so";

// The path of the libtorch_cpu.so that is in the process, or empty.
std::string loaded_libtorch() {
  std::string path;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* found) {
        if (fs::path(info->dlpi_name).filename() != kLibTorchFileName) return 0;
        *static_cast<std::string*>(found) = info->dlpi_name;
        return 1;
      },
      &path);
  return path;
}

// What stands between `before` and the first of `end` after it, or empty.
std::string between(const std::string& text, std::string_view before, std::string_view end) {
  const size_t start = text.find(before);
  if (start == std::string::npos) return {};
  const size_t first = start + before.size();
  return text.substr(first, text.find_first_of(end, first) - first);
}

// A torch package says its version in version.py, above the lib folder: "__version__ = '2.11.0+cu130'".
std::string version_beside(const fs::path& libtorch) {
  std::ifstream stream(libtorch.parent_path().parent_path() / "version.py");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return between(text, "__version__ = '", "'");
}

// at::show_config() lists the build's settings, "TORCH_VERSION=2.11.0" among them.
std::string version_by_show_config(const std::string& libtorch) {
  void* handle = dlopen(libtorch.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) return {};
  using ShowConfig = std::string (*)();
  const auto show_config = reinterpret_cast<ShowConfig>(dlsym(handle, "_ZN2at11show_configB5cxx11Ev"));
  std::string version = show_config ? between(show_config(), "TORCH_VERSION=", ", \n") : "";
  dlclose(handle);  // gives back the reference that RTLD_NOLOAD took
  return version;
}

std::string version_of(const std::string& libtorch) {
  std::string version = version_beside(libtorch);
  if (version.empty()) version = version_by_show_config(libtorch);
  return version.empty() ? "an unknown version" : version;
}

// The CPU half is the same in all builds of a release: 2.11.0+cpu fits 2.11.0+cu130.
std::string_view release_of(std::string_view version) { return version.substr(0, version.find('+')); }

Status check_libtorch_of_process() {
  const std::string path = loaded_libtorch();
  if (path.empty()) return Status::success();
  const std::string version = version_of(path);
  if (release_of(version) == release_of(RESNETFT_LIBTORCH_VERSION)) return Status::success();
  return Error{ErrorCode::Incompatible,
               "this process has loaded LibTorch " + version + " ('" + path + "'), resnetft was built with LibTorch " +
                   RESNETFT_LIBTORCH_VERSION,
               "use one LibTorch: install torch " + std::string(release_of(RESNETFT_LIBTORCH_VERSION)) +
                   ", or build resnetft with -Dlibtorch=" + fs::path(path).parent_path().parent_path().string()};
}

Result<const TorchModule*> open_fitting_module() {
  if (std::string_view(RESNETFT_LIBTORCH_VERSION).empty())
    return module_unavailable(kFile, "resnetft was built without it");
  const Status fits = check_libtorch_of_process();
  if (!fits) return fits.error();
  return open_module<TorchModule>(kFile, kTorchModuleVersion);
}

OpenedModule<TorchModule> opened;

}  // namespace

const TorchModule* open_torch_module() { return opened.get(); }

Result<const TorchModule*> torch_module() { return opened.get_or(open_fitting_module); }

}  // namespace resnetft
