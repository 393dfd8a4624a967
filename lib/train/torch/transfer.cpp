// SPDX-License-Identifier: MIT
#include "train/torch/transfer.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace resnetft {
namespace {

void record(c10::Event& event, const at::Device& device) {
  event.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
}

}  // namespace

at::Tensor sent_to(const at::Device& device, const at::Tensor& tensor) {
  const bool pins = device.is_cuda() && tensor.device().is_cpu();
  return (pins ? tensor.pin_memory() : tensor).to(device, tensor.scalar_type(), /*non_blocking=*/true);
}

HostCopy::HostCopy(const at::Tensor& tensor) : host_(tensor) {
  const at::Device device = tensor.device();
  if (device.is_cpu()) return;
  host_ = at::empty(tensor.sizes(), at::TensorOptions(tensor.scalar_type()).pinned_memory(device.is_cuda()));
  host_.copy_(tensor, /*non_blocking=*/true);
  record(arrived_.emplace(device.type()), device);
}

const at::Tensor& HostCopy::value() const {
  if (arrived_) arrived_->synchronize();
  return host_;
}

IdleTime::IdleTime(const at::Device& device) {
  if (device.is_cpu()) return;
  record(begin_.emplace(device.type(), c10::EventFlag::BACKEND_DEFAULT), device);
}

void IdleTime::end() {
  if (begin_) record(end_.emplace(begin_->device_type(), c10::EventFlag::BACKEND_DEFAULT), begin_->device());
}

double IdleTime::seconds() const {
  constexpr double kMilliseconds = 1e-3;
  if (!end_) return 0;
  end_->synchronize();
  return begin_->elapsedTime(*end_) * kMilliseconds;
}

}  // namespace resnetft
