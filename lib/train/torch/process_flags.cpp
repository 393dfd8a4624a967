// SPDX-License-Identifier: MIT
// TF32 is told twice since LibTorch 2.9: by flags, and by operation. The flags' setters set both, but their getters
// throw where an application has set an operation alone.
#include "train/torch/process_flags.h"

#include <ATen/Context.h>
#include <torch/version.h>

#include <array>

namespace resnetft {
namespace {

void set_tf32(bool convolutions, bool products) {
  at::globalContext().setAllowTF32CuDNN(convolutions);
  at::globalContext().setAllowTF32CuBLAS(products);
}

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 9
class Tf32Flags {
 public:
  Tf32Flags() {
    for (size_t i = 0; i < kOperations.size(); ++i)
      precisions_[i] = at::globalContext().float32Precision(at::Float32Backend::CUDA, kOperations[i]);
  }
  void put_back() const {
    set_tf32(precisions_[0] == at::Float32Precision::TF32, precisions_[2] == at::Float32Precision::TF32);
    for (size_t i = 0; i < kOperations.size(); ++i)
      at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, kOperations[i], precisions_[i]);
  }

 private:
  static constexpr std::array kOperations = {at::Float32Op::CONV, at::Float32Op::RNN, at::Float32Op::MATMUL};
  std::array<at::Float32Precision, kOperations.size()> precisions_;
};
#else
class Tf32Flags {
 public:
  void put_back() const { set_tf32(convolutions_, products_); }

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

ProcessFlags::ProcessFlags(const Recipe& recipe, const at::Device& device)
    : deterministic_(at::globalContext().deterministicAlgorithms()),
      only_warns_(at::globalContext().deterministicAlgorithmsWarnOnly()) {
  at::Context& context = at::globalContext();
  if (recipe.deterministic) context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  if (!device.is_cuda()) return;
  before_ = std::make_unique<const CudaFlags>();
  context.setDeterministicCuDNN(recipe.deterministic);
  context.setBenchmarkCuDNN(!recipe.deterministic);
  const bool tf32 = recipe.precision == TrainPrecision::Tf32;
  set_tf32(tf32, tf32);
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
