// SPDX-License-Identifier: MIT
// LibTorch knows a kind of device, XPU, for which it brings no kernels and to which a net can be moved in place. What
// is registered for it here is its memory, its views, and one fallback for all that computes.
#include "tests/support/stand_in_device.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/XPUHooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

namespace resnetft::testing {
namespace {

constexpr c10::DeviceType kStandIn = c10::DeviceType::XPU;
using Clock = std::chrono::steady_clock;
std::atomic<int> waits = 0, streams = 0;

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kStandIn; }
  c10::Device exchangeDevice(c10::Device) const override { return stand_in_device(); }
  c10::Device getDevice() const override { return stand_in_device(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const override { return stream_of(device, current_); }
  c10::Stream getDefaultStream(c10::Device device) const override { return stream_of(device, 0); }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override { return stream_of(device, ++streams); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return stream_of(stream.device(), std::exchange(current_, stream.id()));
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    if (!*event) *event = new Clock::time_point;
    *static_cast<Clock::time_point*>(*event) = Clock::now();
  }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    delete static_cast<Clock::time_point*>(event);
  }
  double elapsedTime(void* from, void* to, c10::DeviceIndex) const override {
    return std::chrono::duration<double, std::milli>(*static_cast<Clock::time_point*>(to) -
                                                     *static_cast<Clock::time_point*>(from))
        .count();
  }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void synchronizeEvent(void*) const override {}
  void synchronizeDevice(c10::DeviceIndex) const override {}

 private:
  static c10::Stream stream_of(c10::Device device, c10::StreamId id) {
    return c10::Stream(c10::Stream::UNSAFE, device, id);
  }
  static inline thread_local c10::StreamId current_ = 0;
};
C10_REGISTER_GUARD_IMPL(XPU, Guard)

struct XPUHooks final : at::XPUHooksInterface {
  explicit XPUHooks(at::XPUHooksArgs) {}
  void init() const override {}
  bool hasXPU() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};
using at::RegistererXPUHooksRegistry;
using at::XPUHooksRegistry;
REGISTER_XPU_HOOKS(XPUHooks)

// The host's memory under the device's name.
class Memory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    c10::DataPtr data = c10::GetCPUAllocator()->allocate(bytes);
    data.unsafe_set_device(stand_in_device());
    return data;
  }
  c10::DeleterFnPtr raw_deleter() const override { return c10::GetCPUAllocator()->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

Memory& memory() {
  static Memory instance;
  return instance;
}

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::XPU);

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory(), kKeys, type.value_or(at::kFloat), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory(), kKeys, type.value_or(at::kFloat));
}

bool is_stand_in(const at::Tensor& tensor) { return tensor.defined() && tensor.device().type() == kStandIn; }

// The same bytes as a tensor of the CPU's.
at::Tensor on_host(const at::Tensor& tensor) {
  if (!is_stand_in(tensor)) return tensor;
  return at::from_blob(tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(),
                       at::TensorOptions(at::kCPU).dtype(tensor.dtype()));
}

at::Tensor moved(const at::Tensor& result) {
  if (!result.defined() || !result.device().is_cpu()) return result;
  const at::Tensor there =
      at::empty_strided(result.sizes(), result.strides(), result.options().device(stand_in_device()));
  on_host(there).copy_(result);
  return there;
}

at::Tensor& copy_into(at::Tensor& to, const at::Tensor& from, bool non_blocking) {
  if (is_stand_in(to) != is_stand_in(from) && !non_blocking) ++waits;
  on_host(to).copy_(on_host(from));
  return to;
}

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  const std::optional<at::Tensor> own = bias ? std::optional(on_host(*bias)) : std::nullopt;
  return moved(at::convolution(on_host(input), on_host(weight), own, stride, padding, dilation, transposed,
                               output_padding, groups));
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(const at::Tensor& gradient, const at::Tensor& input,
                                                                    const at::Tensor& weight, at::IntArrayRef stride,
                                                                    at::IntArrayRef padding, at::IntArrayRef dilation,
                                                                    bool transposed, at::IntArrayRef output_padding,
                                                                    int64_t groups, std::array<bool, 3> mask) {
  auto [of_input, of_weight, of_bias] =
      at::convolution_backward(on_host(gradient), on_host(input), on_host(weight), std::nullopt, stride, padding,
                               dilation, transposed, output_padding, groups, mask);
  return {moved(of_input), moved(of_weight), moved(of_bias)};
}

// Calls the CPU's operator on aliases. A CPU tensor among the device's is an error, unless it is a scalar, as it is
// with a GPU.
class HostCall {
 public:
  void run(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
    const size_t count = operation.schema().arguments().size(), first = stack->size() - count;
    for (size_t i = first; i < stack->size(); ++i) (*stack)[i] = aliased((*stack)[i], operation);
    operation.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
    for (auto& [original, host] : aliases_)
      if (host.sizes() != original.sizes()) original.set_(moved(host));
    const size_t results = operation.schema().returns().size();
    for (size_t i = stack->size() - results; i < stack->size(); ++i) (*stack)[i] = returned((*stack)[i]);
  }

 private:
  c10::IValue aliased(const c10::IValue& value, const c10::OperatorHandle& operation) {
    if (value.isTensor()) return c10::IValue(aliased(value.toTensor(), operation));
    if (value.isDevice() && value.toDevice().type() == kStandIn) return c10::IValue(at::Device(at::kCPU));
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(aliased(tensor, operation));
      return c10::IValue(list);
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional(aliased(*tensor, operation)) : std::nullopt);
      return c10::IValue(list);
    }
    return value;
  }

  at::Tensor aliased(const at::Tensor& tensor, const c10::OperatorHandle& operation) {
    if (!tensor.defined()) return tensor;
    TORCH_CHECK(is_stand_in(tensor) || tensor.dim() == 0, operation.schema().name(), ": a tensor is on the CPU");
    // An operator may give an empty output its size.
    const at::Tensor host = tensor.numel() > 0 ? on_host(tensor) : at::empty(tensor.sizes(), tensor.scalar_type());
    aliases_.push_back({tensor, host});
    return host;
  }

  c10::IValue returned(const c10::IValue& value) const {
    if (value.isTensor()) return c10::IValue(returned(value.toTensor()));
    if (!value.isTensorList()) return value;
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(returned(tensor));
    return c10::IValue(list);
  }

  // What was changed in place is the argument itself.
  at::Tensor returned(const at::Tensor& result) const {
    for (const auto& [original, host] : aliases_)
      if (host.is_same(result)) return original;
    return moved(result);
  }

  std::vector<std::pair<at::Tensor, at::Tensor>> aliases_;
};

void run_on_host(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  if (operation.schema().name() == "aten::_local_scalar_dense") ++waits;
  HostCall().run(operation, stack);
}

TORCH_LIBRARY_IMPL(_, XPU, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>()); }

TORCH_LIBRARY_IMPL(aten, XPU, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("copy_", copy_into);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", at::native::view);
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("set_.source_Storage_storage_offset", at::native::set_storage_cpu_);
  library.impl("set_.source_Tensor", at::native::set_tensor_);
  library.impl("convolution_overrideable", convolution);
  library.impl("convolution_backward_overrideable", convolution_backward);
  library.impl("record_stream", [](at::Tensor&, c10::Stream) {});
}

}  // namespace

at::Device stand_in_device() { return {kStandIn, 0}; }
int stand_in_waits() { return waits; }
int stand_in_streams() { return streams; }

}  // namespace resnetft::testing
