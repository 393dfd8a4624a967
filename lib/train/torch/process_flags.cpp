// SPDX-License-Identifier: MIT
// TF32 is told twice since LibTorch 2.9: by flags, and by operation, where what is not told is as for all. The flags'
// setters set both, but their getters throw where an application has set an operation alone.
#include "train/torch/process_flags.h"

#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <torch/version.h>

#include <array>
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

}  // namespace

struct ProcessFlags::CudaFlags {
  bool deterministic = at::globalContext().deterministicCuDNN();
  bool benchmark = at::globalContext().benchmarkCuDNN();
  Tf32Flags tf32 = {};
};

ProcessFlags::ProcessFlags(const Recipe& recipe, const at::Device& device, Company company)
    : deterministic_(at::globalContext().deterministicAlgorithms()),
      only_warns_(at::globalContext().deterministicAlgorithmsWarnOnly()) {
  at::Context& context = at::globalContext();
  if (recipe.deterministic) context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  if (!device.is_cuda()) return;
  before_ = std::make_unique<const CudaFlags>();
  context.setDeterministicCuDNN(recipe.deterministic);
  context.setBenchmarkCuDNN(!recipe.deterministic && company == Company::Nobody);
  before_->tf32.set(recipe.precision == TrainPrecision::Tf32);
}

ProcessFlags::~ProcessFlags() {
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(deterministic_, only_warns_);
  if (!before_) return;
  context.setDeterministicCuDNN(before_->deterministic);
  context.setBenchmarkCuDNN(before_->benchmark);
  before_->tf32.put_back();
}

}  // namespace resnetft
