// SPDX-License-Identifier: MIT
#include "infer/cuda/plan.h"

#include "infer/cuda/kernels.h"

namespace resnetft::cuda {
namespace {

int32_t narrow(int64_t value) { return static_cast<int32_t>(value); }

// One step's addresses, and the tasks that it may be.
class Queue {
 public:
  Queue(const PreparedNet& net, const Plan& plan, const Buffers& buffers, cudaStream_t stream)
      : net_(net), plan_(plan), buffers_(buffers), stream_(stream) {}

  Status append(size_t index) {
    const Step& step = plan_.list.steps[index];
    if (step.kind == StepKind::Convolution) return convolve(index);
    return cuda_status("queueing a step of the net on the GPU", launch(step));
  }

 private:
  uint8_t* address(const Place& place) const {
    switch (place.storage) {
      case Storage::Input:
        return buffers_.input + place.offset;
      case Storage::Output:
        return buffers_.output + place.offset;
      case Storage::Arena:
        break;
    }
    return buffers_.arena + place.offset;
  }

  const Layer& layer_of(const Step& step) const { return net_.network.layers[step.layer]; }
  uint8_t* weights_of(const Step& step) const { return net_.weights.data() + net_.offsets[step.layer].weights; }
  uint8_t* bias_of(const Step& step) const { return net_.weights.data() + net_.offsets[step.layer].bias; }

  Status convolve(size_t index) {
    const Step& step = plan_.list.steps[index];
    return plan_.convolutions[index]->run(net_.handle.get(), stream_,
                                          {address(step.src), weights_of(step), bias_of(step), address(step.residual),
                                           address(step.dst), buffers_.workspace});
  }

  cudaError_t launch(const Step& step) {
    switch (step.kind) {
      case StepKind::LoadPictures:
        return launch_load(net_.number, load_task(step), stream_);
      case StepKind::MaxPool:
        return launch_max_pool(net_.number, max_pool_task(step), stream_);
      case StepKind::OptionAShortcut:
        return launch_shortcut(net_.number, shortcut_task(step), stream_);
      case StepKind::AveragePool:
        return launch_average(net_.number, average_task(step), stream_);
      case StepKind::Linear:
        return launch_linear(linear_task(step), stream_);
      case StepKind::Convolution:
        break;
    }
    return cudaErrorInvalidValue;
  }

  LoadTask load_task(const Step& step) const {
    const Extent& picture = layer_of(step).src_extent;
    return {reinterpret_cast<const float*>(address(step.src)), address(step.dst), plan_.list.batch,
            narrow(picture.height * picture.width)};
  }

  MaxPoolTask max_pool_task(const Step& step) const {
    const Layer& layer = layer_of(step);
    const Extent &src = layer.src_extent, &dst = layer.dst_extent;
    return {address(step.src),  address(step.dst), plan_.list.batch,   narrow(src.channels),
            narrow(src.height), narrow(src.width), narrow(dst.height), narrow(dst.width),
            layer.kernel,       layer.stride,      layer.padding};
  }

  ShortcutTask shortcut_task(const Step& step) const {
    const Layer& layer = layer_of(step);
    const Extent &src = layer.src_extent, &dst = layer.dst_extent;
    return {address(step.src),  address(step.dst), plan_.list.batch,   narrow(src.channels), narrow(dst.channels),
            narrow(src.height), narrow(src.width), narrow(dst.height), narrow(dst.width),    layer.stride};
  }

  AverageTask average_task(const Step& step) const {
    const Extent& src = layer_of(step).src_extent;
    return {address(step.src),
            reinterpret_cast<float*>(address(step.dst)),
            plan_.list.batch,
            narrow(src.channels),
            narrow(src.height * src.width),
            narrow(static_cast<int64_t>(row_floats(net_.network)))};
  }

  LinearTask linear_task(const Step& step) const {
    const Layer& layer = layer_of(step);
    return {reinterpret_cast<const float*>(weights_of(step)),
            reinterpret_cast<const float*>(bias_of(step)),
            reinterpret_cast<float*>(address(step.src)),
            plan_.list.batch,
            narrow(layer.src_extent.channels),
            narrow(layer.dst_extent.channels)};
  }

  const PreparedNet& net_;
  const Plan& plan_;
  const Buffers& buffers_;
  cudaStream_t stream_;
};

}  // namespace

HandleOnStream::HandleOnStream(const PreparedNet& net, cudaStream_t stream)
    : net_(net),
      guard_(cudnn_mutex()),
      status_(cudnn_status(*net.cudnn, "starting cuDNN", net.cudnn->SetStream(net.handle.get(), stream))) {}

// A session's stream may end before the handle does.
HandleOnStream::~HandleOnStream() { net_.cudnn->SetStream(net_.handle.get(), net_.stream.get()); }

Status queue_plan(const PreparedNet& net, const Plan& plan, const Buffers& buffers, cudaStream_t stream) {
  Queue queue(net, plan, buffers, stream);
  for (size_t i = 0; i < plan.list.steps.size(); ++i)
    if (Status status = queue.append(i); !status) return status;
  return Status::success();
}

}  // namespace resnetft::cuda
