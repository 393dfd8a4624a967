// SPDX-License-Identifier: MIT
#include "infer/cuda/convolution.h"

#include <algorithm>
#include <array>

#include "device/cuda/cuda_call.h"
#include "infer/cuda/kernels.h"
#include "infer/cuda/steps.h"

namespace resnetft::cuda {
namespace {

constexpr size_t kMostWays = 10;  // the heuristics' order is good: what is far down does not win
constexpr size_t kLargestWorkspace = size_t{256} << 20;
constexpr int64_t kAlignment = 256;  // of all values and weights, in bytes

// Names of a graph's tensors. Those between two operations follow.
enum TensorId : int64_t { kSrc = 1, kWeights, kBias, kResidual, kDst, kBetween };

cudnnDataType_t data_type(Precision precision) {
  switch (number_of(precision)) {
    case NumberType::Float16:
      return CUDNN_DATA_HALF;
    case NumberType::BFloat16:
      return CUDNN_DATA_BFLOAT16;
    case NumberType::Float32:
      break;
  }
  return CUDNN_DATA_FLOAT;
}

const char* text_of(Precision precision) {
  switch (precision) {
    case Precision::Fp32:
      return "fp32";
    case Precision::Tf32:
      return "tf32";
    case Precision::Bf16:
      return "bf16";
    case Precision::Fp16:
      break;
  }
  return "fp16";
}

// What cuDNN is asked: the operations of a layer, in the order of its own fused convolutions, each of which works in
// floats and hands floats to the next.
class Question {
 public:
  Question(Descriptors& descriptors, const Layer& layer, Precision precision, int batch)
      : descriptors_(descriptors),
        layer_(layer),
        type_(data_type(precision)),
        number_(number_of(precision)),
        batch_(batch) {}

  Descriptor graph(const TargetGpu& gpu, bool fused) {
    const Descriptor dst = tensor(kDst, type_, output());
    const bool adds = layer_.residual >= 0;
    if (!fused) {
      convolve(dst);
    } else {
      Descriptor value = between();
      convolve(value);
      if (adds) value = pointwise(CUDNN_POINTWISE_ADD, value, tensor(kResidual, type_, output()), between());
      const Descriptor bias = tensor(kBias, type_, {1, layer_.dst_extent.channels, 1, 1});
      value = pointwise(CUDNN_POINTWISE_ADD, value, bias, layer_.relu ? between() : dst);
      if (layer_.relu) pointwise(CUDNN_POINTWISE_RELU_FWD, value, nullptr, dst);
    }
    const Descriptor graph = descriptors_.make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    descriptors_.set_all(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, std::span<const Descriptor>(operations_));
    if (gpu.handle) descriptors_.set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, gpu.handle);
    descriptors_.finalize(graph);
    return graph;
  }

 private:
  using Sizes = std::array<int64_t, 4>;  // N, C, H, W

  Sizes output() const {
    const Extent& extent = layer_.dst_extent;
    return {batch_, stored_channels(extent.channels, number_), extent.height, extent.width};
  }

  Descriptor tensor(int64_t id, cudnnDataType_t type, const Sizes& sizes, bool is_virtual = false) {
    const auto& [n, c, h, w] = sizes;
    const Sizes channels_last = {c * h * w, 1, c * w, c};
    const Descriptor made = descriptors_.make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    descriptors_.set(made, CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
    descriptors_.set(made, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
    descriptors_.set_all(made, CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const int64_t>(sizes));
    descriptors_.set_all(made, CUDNN_ATTR_TENSOR_STRIDES, std::span<const int64_t>(channels_last));
    descriptors_.set(made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment);
    descriptors_.set(made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual);
    descriptors_.finalize(made);
    return made;
  }

  // A value that is never stored.
  Descriptor between() { return tensor(next_between_++, CUDNN_DATA_FLOAT, output(), true); }

  void append(Descriptor operation) {
    descriptors_.finalize(operation);
    operations_.push_back(operation);
  }

  void convolve(Descriptor dst) {
    const std::array<int64_t, 2> stride = {layer_.stride, layer_.stride}, padding = {layer_.padding, layer_.padding},
                                 dilation = {1, 1};
    const Descriptor made = descriptors_.make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    descriptors_.set(made, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    descriptors_.set(made, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
    descriptors_.set(made, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2});
    descriptors_.set_all(made, CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<const int64_t>(dilation));
    descriptors_.set_all(made, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<const int64_t>(stride));
    descriptors_.set_all(made, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<const int64_t>(padding));
    descriptors_.set_all(made, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<const int64_t>(padding));
    descriptors_.finalize(made);
    const Extent& src = layer_.src_extent;
    const int64_t stored = stored_channels(src.channels, number_);
    const int64_t in = layer_.groups == 1 ? stored : src.channels / layer_.groups;  // fewer than `stored` make groups
    const Descriptor operation = descriptors_.make(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, made);
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f);
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f);
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                     tensor(kSrc, type_, {batch_, stored, src.height, src.width}));
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                     tensor(kWeights, type_, {layer_.dst_extent.channels, in, layer_.kernel, layer_.kernel}));
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, dst);
    append(operation);
  }

  // Of `value` and, unless null, `other`. Returns `dst`.
  Descriptor pointwise(cudnnPointwiseMode_t mode, Descriptor value, Descriptor other, Descriptor dst) {
    const Descriptor made = descriptors_.make(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    descriptors_.set(made, CUDNN_ATTR_POINTWISE_MODE, mode);
    descriptors_.set(made, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    descriptors_.finalize(made);
    const Descriptor operation = descriptors_.make(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, made);
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, value);
    if (other) descriptors_.set(operation, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, other);
    descriptors_.set(operation, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, dst);
    append(operation);
    return dst;
  }

  Descriptors& descriptors_;
  const Layer& layer_;
  cudnnDataType_t type_;
  NumberType number_;
  int64_t batch_;
  int64_t next_between_ = kBetween;
  std::vector<Descriptor> operations_;
};

// Engines with their settings, as one of cuDNN's heuristics orders them.
std::vector<Descriptor> configurations(Descriptors& descriptors, const TargetGpu& gpu, Descriptor graph,
                                       cudnnBackendHeurMode_t mode) {
  const Descriptor heuristics = descriptors.make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  descriptors.set(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  descriptors.set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (gpu.properties) descriptors.set(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, gpu.properties);
  descriptors.finalize(heuristics);
  std::vector<Descriptor> found(descriptors.get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, std::span<Descriptor>()));
  for (Descriptor& one : found) one = descriptors.make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  found.resize(descriptors.get(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, std::span(found)));
  return found;
}

// Tensor cores multiply floats as tf32.
bool may_use(Descriptors& descriptors, Descriptor configuration, Precision precision) {
  Descriptor engine = descriptors.make(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  descriptors.get(configuration, CUDNN_ATTR_ENGINECFG_ENGINE, std::span(&engine, 1));
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const size_t count =
      descriptors.get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, std::span<cudnnBackendNumericalNote_t>(notes));
  const auto is_bad = [&](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
           note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
           (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && precision == Precision::Fp32);
  };
  return descriptors.status() == CUDNN_STATUS_SUCCESS &&
         std::none_of(notes.begin(), notes.begin() + std::min(count, notes.size()), is_bad);
}

}  // namespace

Convolution::Convolution(const Cudnn& cudnn, const Layer& layer, Precision precision, int batch, const Way& way)
    : cudnn_(&cudnn),
      layer_(layer.weights),
      number_(number_of(precision)),
      way_(way),
      adds_(layer.residual >= 0),
      relu_(layer.relu),
      batch_(batch),
      dst_(layer.dst_extent),
      own_(std::make_unique<Descriptors>(cudnn)) {}

cudnnStatus_t Convolution::plan(const TargetGpu& gpu, Descriptor configuration) {
  plan_ = own_->make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  own_->set(plan_, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (gpu.handle) own_->set(plan_, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, gpu.handle);
  if (gpu.properties) own_->set(plan_, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, gpu.properties);
  own_->finalize(plan_);
  int64_t bytes = 0;
  own_->get(plan_, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, std::span(&bytes, 1));
  workspace_bytes_ = static_cast<size_t>(bytes);
  return own_->status();
}

Result<std::vector<Convolution>> Convolution::ways(const Cudnn& cudnn, const TargetGpu& gpu, const Layer& layer,
                                                   Precision precision, int batch, bool fused, const Way* only) {
  const auto asked = std::make_shared<Descriptors>(cudnn);
  const Descriptor graph = Question(*asked, layer, precision, batch).graph(gpu, fused);
  cudnnStatus_t failure = asked->status();
  const auto note = [&](cudnnStatus_t code) {
    if (code != CUDNN_STATUS_SUCCESS) failure = code;
    return code == CUDNN_STATUS_SUCCESS;
  };
  std::vector<Convolution> ways;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    const auto listed = std::make_shared<Descriptors>(cudnn);
    const std::vector<Descriptor> found = configurations(*listed, gpu, graph, mode);
    for (size_t i = 0; i < found.size(); ++i) {
      const Way one = {fused, mode, i};
      if (ways.size() == kMostWays || (only && one != *only) || !may_use(*listed, found[i], precision)) continue;
      Convolution way(cudnn, layer, precision, batch, one);
      way.asked_ = {asked, listed};
      if (note(way.plan(gpu, found[i])) && way.workspace_bytes_ <= kLargestWorkspace) ways.push_back(std::move(way));
    }
    note(listed->status());
  }
  if (!ways.empty()) return ways;
  if (failure == CUDNN_STATUS_SUCCESS) failure = CUDNN_STATUS_NOT_SUPPORTED;
  return cudnn_status(cudnn, "layer '" + layer.weights + "' in " + text_of(precision), failure).error();
}

Status Convolution::run(cudnnHandle_t handle, cudaStream_t stream, const Operands& operands) const {
  std::vector<int64_t> ids = {kSrc, kWeights, kDst};
  std::vector<const void*> addresses = {operands.src, operands.weights, operands.dst};
  const auto add = [&](int64_t id, const void* address) {
    ids.push_back(id);
    addresses.push_back(address);
  };
  if (way_.fused) add(kBias, operands.bias);
  if (way_.fused && adds_) add(kResidual, operands.residual);
  Descriptors pack(*cudnn_);
  const Descriptor variables = pack.make(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set_all(variables, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const int64_t>(ids));
  pack.set_all(variables, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span<const void* const>(addresses),
               CUDNN_TYPE_VOID_PTR);
  pack.set_all(variables, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, std::span<void* const>(&operands.workspace, 1),
               CUDNN_TYPE_VOID_PTR);
  pack.finalize(variables);
  cudnnStatus_t code = pack.status();
  if (code == CUDNN_STATUS_SUCCESS) code = cudnn_->BackendExecute(handle, plan_, variables);
  if (Status status = cudnn_status(*cudnn_, "layer '" + layer_ + "'", code); !status || way_.fused) return status;
  return finish(stream, operands);
}

Status Convolution::finish(cudaStream_t stream, const Operands& operands) const {
  const FinishTask task = {.values = operands.dst,
                           .bias = operands.bias,
                           .residual = adds_ ? operands.residual : nullptr,
                           .pictures = batch_,
                           .pixels = static_cast<int32_t>(dst_.height * dst_.width),
                           .channels = static_cast<int32_t>(dst_.channels),
                           .relu = relu_};
  return cuda_status("layer '" + layer_ + "'", launch_finish(number_, task, stream));
}

}  // namespace resnetft::cuda
