// SPDX-License-Identifier: MIT
// at::set_num_threads() is not used: it also sets the count of every thread that is born later, and resizes a pool
// that the whole process shares. What it does for the calling thread alone is done here, step by step.
#include "device/torch/thread_count.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <omp.h>

namespace resnetft {
namespace {

using SetNumThreadsLocal = int (*)(int threads);

// MKL's setter for one thread. LibTorch exports its own MKL's; a LibTorch without MKL has none, and needs none.
SetNumThreadsLocal find_mkl_setter() {
  Dl_info libtorch;
  if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &libtorch) == 0) return nullptr;
  void* handle = dlopen(libtorch.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  return handle ? reinterpret_cast<SetNumThreadsLocal>(dlsym(handle, "MKL_Set_Num_Threads_Local")) : nullptr;
}

}  // namespace

void set_torch_thread_count(int threads) {
  static const SetNumThreadsLocal set_mkl_threads = find_mkl_setter();
  at::get_num_threads();  // a thread's first ATen call sets OpenMP's count to the process default: let that be past
  omp_set_num_threads(threads);
  if (set_mkl_threads) set_mkl_threads(threads);
}

}  // namespace resnetft
