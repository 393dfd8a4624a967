// SPDX-License-Identifier: MIT
// Copies between the host and a device for which the host does not wait: what waits for a GPU lets it run dry.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <optional>

namespace resnetft {

// The tensor on `device`. CUDA copies while the host goes on only out of pinned memory, which its allocator keeps until
// the copy is done.
at::Tensor sent_to(const at::Device& device, const at::Tensor& tensor);

// A copy of a tensor on its way to the host, queued on the current stream. On the CPU it is the tensor itself.
class HostCopy {
 public:
  explicit HostCopy(const at::Tensor& tensor);
  // Waits for the copy, and for nothing that was queued after it.
  const at::Tensor& value() const;

 private:
  at::Tensor host_;
  std::optional<c10::Event> arrived_;
};

// How long a device had nothing to do between two points of the current stream. Nothing on the CPU.
class IdleTime {
 public:
  explicit IdleTime(const at::Device& device);
  // Work comes again.
  void end();
  // After end(). Waits for the stream to come there.
  double seconds() const;

 private:
  std::optional<c10::Event> begin_, end_;
};

}  // namespace resnetft
