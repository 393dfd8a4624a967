// SPDX-License-Identifier: MIT
// TF32 is told twice since LibTorch 2.9: by flags, and by operation, where what is not told is as for all. The flags'
// setters set both, but their getters throw where an application has set an operation alone.
#include "train/torch/process_flags.h"

#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <torch/version.h>

#include <array>
#include <mutex>
#include <optional>
#include <string>

namespace resnetft {
namespace {

void set_tf32_flags(bool convolutions, bool products) {
  at::globalContext().setAllowTF32CuDNN(convolutions);
  at::globalContext().setAllowTF32CuBLAS(products);
}

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 9
// As torch.set_float32_matmul_precision takes it, which tells the CPU, too; none where an operation was set alone.
std::optional<std::string> precision_of_products() {
  try {
    switch (at::globalContext().float32MatmulPrecision()) {
      case at::Float32MatmulPrecision::HIGHEST:
        return "highest";
      case at::Float32MatmulPrecision::HIGH:
        return "high";
      case at::Float32MatmulPrecision::MEDIUM:
        return "medium";
    }
  } catch (const c10::Error&) {
  }
  return std::nullopt;
}

class Tf32Flags {
 public:
  Tf32Flags() {
    for (size_t i = 0; i < kOperations.size(); ++i)
      precisions_[i] = at::globalContext().float32Precision(at::Float32Backend::CUDA, kOperations[i]);
  }
  void set(bool tf32) const {
    Precisions all;
    all.fill(tf32 ? at::Float32Precision::TF32 : at::Float32Precision::IEEE);
    set_tf32_flags(tf32, tf32);
    set_operations(all);
  }
  void put_back() const {
    set_tf32_flags(precisions_[0] == at::Float32Precision::TF32, precisions_[2] == at::Float32Precision::TF32);
    if (products_) at::globalContext().setFloat32MatmulPrecision(*products_);
    set_operations(precisions_);
  }

 private:
  static constexpr std::array kOperations = {at::Float32Op::CONV, at::Float32Op::RNN, at::Float32Op::MATMUL};
  using Precisions = std::array<at::Float32Precision, kOperations.size()>;

  static void set_operations(const Precisions& precisions) {
    for (size_t i = 0; i < kOperations.size(); ++i)
      at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, kOperations[i], precisions[i]);
  }

  const std::optional<std::string> products_ = precision_of_products();
  Precisions precisions_;
};
#else
class Tf32Flags {
 public:
  void set(bool tf32) const { set_tf32_flags(tf32, tf32); }
  void put_back() const { set_tf32_flags(convolutions_, products_); }

 private:
  bool convolutions_ = at::globalContext().allowTF32CuDNN();
  bool products_ = at::globalContext().allowTF32CuBLAS();
};
#endif

struct CudaFlags {
  bool deterministic = at::globalContext().deterministicCuDNN();
  bool benchmark = at::globalContext().benchmarkCuDNN();
  Tf32Flags tf32 = {};
};

// What those that live have asked for, and what was before the first.
struct Users {
  std::mutex lock;
  int count = 0, on_gpu = 0;
  bool deterministic = false, tf32 = false;
  bool deterministic_before = false, only_warned_before = false;
  std::optional<const CudaFlags> gpu_before;
};

// Never destroyed: a run may still end while the process does.
Users& users() {
  static auto& users = *new Users;
  return users;
}

Error refused(const char* flag, bool wanted) {
  const std::string how = wanted ? " and this one is to" : " and this one is not to";
  return {ErrorCode::Incompatible,
          std::string("another run in this process ") + (wanted ? "does not compute " : "computes ") + flag + how +
              ": LibTorch has one setting for both",
          "let it end first, or give both the same --precision and --deterministic"};
}

}  // namespace

ProcessFlags::ProcessFlags(const Recipe& recipe, const at::Device& device, Company company)
    : is_on_gpu_(device.is_cuda()) {
  const bool tf32 = recipe.precision == TrainPrecision::Tf32;
  const bool times = !recipe.deterministic && company == Company::Nobody;
  at::Context& context = at::globalContext();
  Users& all = users();
  const std::scoped_lock guard(all.lock);
  if (all.count > 0 && all.deterministic != recipe.deterministic)
    status_ = refused("deterministically", recipe.deterministic);
  else if (is_on_gpu_ && all.on_gpu > 0 && all.tf32 != tf32)
    status_ = refused("in tf32", tf32);
  if (!status_) return;
  if (all.count++ == 0) {
    all.deterministic = recipe.deterministic;
    all.deterministic_before = context.deterministicAlgorithms();
    all.only_warned_before = context.deterministicAlgorithmsWarnOnly();
    if (recipe.deterministic) context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  }
  if (!is_on_gpu_) return;
  if (all.on_gpu++ > 0) {
    context.setBenchmarkCuDNN(times && context.benchmarkCuDNN());
    return;
  }
  all.tf32 = tf32;
  all.gpu_before.emplace();
  context.setDeterministicCuDNN(recipe.deterministic);
  context.setBenchmarkCuDNN(times);
  all.gpu_before->tf32.set(tf32);
}

ProcessFlags::~ProcessFlags() {
  if (!status_) return;
  at::Context& context = at::globalContext();
  Users& all = users();
  const std::scoped_lock guard(all.lock);
  if (is_on_gpu_ && --all.on_gpu == 0) {
    context.setDeterministicCuDNN(all.gpu_before->deterministic);
    context.setBenchmarkCuDNN(all.gpu_before->benchmark);
    all.gpu_before->tf32.put_back();
  }
  if (--all.count == 0) context.setDeterministicAlgorithms(all.deterministic_before, all.only_warned_before);
}

}  // namespace resnetft
