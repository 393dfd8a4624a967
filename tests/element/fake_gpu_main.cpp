// SPDX-License-Identifier: MIT
// Runs the tests on a machine whose GPU is the host: a folder with a driver, a cuDNN and a CUDA module that play their
// parts stands first in the path of a loader that starts anew. No other plugins are known there but GStreamer's core
// elements and its own for NVIDIA's GPUs.
#include <gst/gst.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "RESNETFT_FAKE_MACHINE";

fs::path make_machine() {
  std::string pattern = (fs::temp_directory_path() / "resnetft-machine-XXXXXX").string();
  const fs::path folder = mkdtemp(pattern.data());
  fs::create_symlink(RESNETFT_FAKE_CUDA_DRIVER, folder / "libcuda.so.1");
  fs::create_symlink(RESNETFT_FAKE_NVCUVID, folder / "libnvcuvid.so.1");
  for (const char* plugin : {"libgstcoreelements.so", "libgstnvcodec.so"}) {
    const fs::path file = fs::path(RESNETFT_GST_PLUGINS) / plugin;
    if (fs::exists(file)) fs::create_symlink(file, folder / plugin);
  }
  fs::create_symlink(RESNETFT_FAKE_CUDNN, folder / "libcudnn.so.9");
  fs::create_symlink(RESNETFT_FAKE_CUDA_MODULE, folder / "libresnetft-cuda.so");
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(RESNETFT_LIBRARY).parent_path())) {
    const std::string name = entry.path().filename();
    const bool wanted = name.starts_with("libresnetft.so") || name == "libresnetft-torch.so";
    if (wanted && !entry.is_directory()) fs::create_symlink(entry.path(), folder / name);
  }
  return folder;
}

void start_anew(const fs::path& machine, char** argv) {
  const char* path = std::getenv("LD_LIBRARY_PATH");
  setenv("LD_LIBRARY_PATH", (machine.string() + (path ? ":" + std::string(path) : "")).c_str(), 1);
  setenv("GST_PLUGIN_SYSTEM_PATH", machine.c_str(), 1);
  setenv("GST_REGISTRY", (machine / "registry.bin").c_str(), 1);
  setenv(kFolder, machine.c_str(), 1);
  execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  const char* machine = std::getenv(kFolder);
  if (!machine) {
    start_anew(make_machine(), argv);
    return 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  gst_init(&argc, &argv);
  const int result = RUN_ALL_TESTS();
  fs::remove_all(machine);
  return result;
}
