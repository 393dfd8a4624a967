// SPDX-License-Identifier: MIT
#include "train/torch/process_flags.h"

#include <ATen/Context.h>

namespace resnetft {

ProcessFlags::ProcessFlags(const Recipe& recipe, const at::Device& device)
    : deterministic_(at::globalContext().deterministicAlgorithms()), is_cuda_(device.is_cuda()) {
  if (recipe.deterministic) at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  if (!is_cuda_) return;
  before_ = cudnn();
  const bool tf32 = recipe.precision == TrainPrecision::Tf32;
  set({recipe.deterministic, !recipe.deterministic, tf32, tf32});
}

ProcessFlags::~ProcessFlags() {
  at::globalContext().setDeterministicAlgorithms(deterministic_, /*warn_only=*/false);
  if (is_cuda_) set(before_);
}

ProcessFlags::Cudnn ProcessFlags::cudnn() {
  const at::Context& context = at::globalContext();
  return {context.deterministicCuDNN(), context.benchmarkCuDNN(), context.allowTF32CuDNN(), context.allowTF32CuBLAS()};
}

void ProcessFlags::set(const Cudnn& flags) {
  at::Context& context = at::globalContext();
  context.setDeterministicCuDNN(flags.deterministic);
  context.setBenchmarkCuDNN(flags.benchmark);
  context.setAllowTF32CuDNN(flags.tf32);
  context.setAllowTF32CuBLAS(flags.products_tf32);
}

}  // namespace resnetft
