// SPDX-License-Identifier: MIT
// How libresnetft finds and opens a module of its own: beside itself, else in the install folder.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "resnetft/error.h"

namespace resnetft {

struct ModuleFile {
  const char* file_name;  // "libresnetft-torch.so"
  const char* entry;      // its one exported symbol
  const char* part;       // what it stands for in messages: "LibTorch"
  const char* hint;       // what to do where it is missing
};

// Where the module is, or would have to be.
std::string module_path(const ModuleFile& file);

// The address of the module's entry. DeviceUnavailable, with the loader's reason, where it does not open. A module is
// never closed, not even after a failure: neither LibTorch nor CUDA survives being unloaded.
Result<void*> open_module_file(const ModuleFile& file);

Error module_unavailable(const ModuleFile& file, const std::string& reason);

// Incompatible where a module of another build's interface was found.
Status check_module_version(const ModuleFile& file, unsigned found, unsigned expected);

// The table that the module's entry returns, whose `version` must be that. The errors of both above.
template <class Module>
Result<const Module*> open_module(const ModuleFile& file, unsigned version) {
  const Result<void*> entry = open_module_file(file);
  if (!entry) return entry.error();
  using Entry = const Module* (*)();
  const Module* module = reinterpret_cast<Entry>(*entry)();
  if (Status status = check_module_version(file, module->version, version); !status) return status.error();
  return module;
}

// A module that is opened once. A failure is not remembered: the next call tries again. Thread-safe.
template <class Module>
class OpenedModule {
 public:
  // Null: it was not opened yet.
  const Module* get() const { return opened_.load(std::memory_order_acquire); }

  template <class Open>
  Result<const Module*> get_or(const Open& open) {
    if (const Module* module = get()) return module;
    const std::scoped_lock guard(opening_);
    if (const Module* module = get()) return module;
    const Result<const Module*> module = open();
    if (module) opened_.store(*module, std::memory_order_release);
    return module;
  }

 private:
  std::mutex opening_;
  std::atomic<const Module*> opened_ = nullptr;
};

}  // namespace resnetft
