// SPDX-License-Identifier: MIT
// A program of its own, not linked with LibTorch: the tests stand in the order in which the process changes.
#include "device/torch_module.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <link.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "device/thread_budget.h"
#include "device/torch_build.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

// A torch package in a folder of its own, loaded while the object lives.
class OtherLibTorch {
 public:
  explicit OtherLibTorch(std::string_view version_py) {
    std::filesystem::create_directory(folder_.file("lib"));
    path_ = folder_.file("lib/libtorch_cpu.so");
    std::filesystem::copy_file(RESNETFT_OTHER_LIBTORCH, path_);
    if (!version_py.empty()) testing::write_text(folder_.file("version.py"), version_py);
    handle_ = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  ~OtherLibTorch() {
    if (handle_) dlclose(handle_);
  }
  bool loaded() const { return handle_ != nullptr; }
  const std::string& path() const { return path_; }

 private:
  testing::TemporaryFolder folder_;
  std::string path_;
  void* handle_ = nullptr;
};

bool libtorch_is_loaded() {
  return dl_iterate_phdr([](dl_phdr_info* info, size_t,
                            void*) { return std::string_view(info->dlpi_name).ends_with("libtorch_cpu.so") ? 1 : 0; },
                         nullptr) != 0;
}

void expect_incompatible(const Result<const TorchModule*>& module, std::string_view version, std::string_view path) {
  ASSERT_FALSE(module.ok());
  EXPECT_EQ(module.error().code, ErrorCode::Incompatible);
  for (const std::string_view part : {version, path, std::string_view(RESNETFT_LIBTORCH_VERSION)})
    EXPECT_NE(module.error().message.find(part), std::string::npos) << part << " in " << module.error().message;
}

TEST(TorchModule, NothingLoadsLibTorchBeforeSomebodyAsks) {
  EXPECT_FALSE(libtorch_is_loaded());
  ThreadBudget(1).apply();
  EXPECT_FALSE(libtorch_is_loaded());
  EXPECT_EQ(open_torch_module(), nullptr);
}

TEST(TorchModule, AnotherLibTorchIsNamedByTheVersionInItsPackage) {
  const OtherLibTorch other("from typing import Optional\n__version__ = '2.5.1+cu124'\ndebug = False\n");
  ASSERT_TRUE(other.loaded());
  expect_incompatible(torch_module(), "2.5.1+cu124", other.path());
  EXPECT_EQ(open_torch_module(), nullptr);
}

TEST(TorchModule, AnotherLibTorchWithoutAPackageIsNamedByItsOwnWord) {
  const OtherLibTorch other("");
  ASSERT_TRUE(other.loaded());
  expect_incompatible(torch_module(), "1.13.1", other.path());
}

TEST(TorchModule, ALibTorchOfTheSameReleaseThatIsLoadedFirstIsShared) {
  // The real library under a name of another folder, as in a Python package: the module binds to it by its soname.
  void* handle = dlopen(RESNETFT_LIBTORCH_FOLDER "/libtorch_cpu.so", RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << dlerror();
  std::vector<Result<const TorchModule*>> found(4, Error{ErrorCode::Internal, "", ""});
  std::vector<std::thread> threads;
  for (auto& module : found) threads.emplace_back([&] { module = torch_module(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& module : found) {
    ASSERT_TRUE(module.ok()) << to_string(module.error());
    EXPECT_EQ(*module, open_torch_module());
  }
  EXPECT_EQ((*found[0])->version, kTorchModuleVersion);
  const auto count_libtorch = [](dl_phdr_info* info, size_t, void* count) {
    *static_cast<int*>(count) += std::string_view(info->dlpi_name).ends_with("libtorch_cpu.so") ? 1 : 0;
    return 0;
  };
  int count = 0;
  dl_iterate_phdr(count_libtorch, &count);
  EXPECT_EQ(count, 1);
}

TEST(TorchModule, AnOpenModuleStaysWhateverIsLoadedLater) {
  const Result<const TorchModule*> before = torch_module();
  ASSERT_TRUE(before.ok()) << to_string(before.error());
  const Result<const TorchModule*> after = torch_module();
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(*before, *after);
}

}  // namespace
}  // namespace resnetft
