// SPDX-License-Identifier: MIT
#include "infer/cuda/cuda_engine.h"

#include <algorithm>
#include <map>
#include <new>
#include <string>

#include "infer/cuda/contest.h"
#include "infer/cuda/cuda_session.h"
#include "infer/cuda/winners.h"
#include "model/normalization.h"

namespace resnetft {
namespace cuda {
namespace {

class CudaEngine : public Engine {
 public:
  ~CudaEngine() override {
    const CurrentGpu current(net.ordinal);
    net.plans.clear();
    net.handle.end();
  }
  std::string name() const override { return "cuda"; }
  TensorLayout layout() const override { return TensorLayout::Nhwc; }
  Result<std::unique_ptr<Session>> create_session() const override {
    Result<std::unique_ptr<FrameSession>> session = create(nullptr);
    if (!session) return session.error();
    return std::unique_ptr<Session>(std::move(*session));
  }
  Result<std::unique_ptr<FrameSession>> create_frame_session(const PreprocessSpec& preprocess) const override {
    const Extent& picture = net.network.layers.front().src_extent;
    if (preprocess.crop_width == picture.width && preprocess.crop_height == picture.height) return create(&preprocess);
    return Error{ErrorCode::InvalidArgument,
                 "a crop of " + std::to_string(preprocess.crop_width) + "x" + std::to_string(preprocess.crop_height),
                 "the engine was built for " + std::to_string(picture.width) + "x" + std::to_string(picture.height)};
  }

  PreparedNet net;  // filled by Builder before anybody else sees the engine

 private:
  Result<std::unique_ptr<FrameSession>> create(const PreprocessSpec* preprocess) const try {
    return create_cuda_session(shared_from_this(), net, preprocess);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, "creating a CUDA session: the host's memory ran out", "free memory"};
  }
};

Status check_spec(const ModelCard& card, const EngineSpec& spec) {
  if (!has_running_statistics(card.normalization))
    return Error{ErrorCode::Incompatible,
                 "engine cuda has no " + std::string(normalization_name(card.normalization)) +
                     " normalisation, only batch and frozen",
                 "use device cpu or auto"};
  if (spec.max_batch < 1)
    return Error{ErrorCode::InvalidArgument, "an engine for batches up to " + std::to_string(spec.max_batch),
                 "it is at least 1"};
  return Status::success();
}

// Powers of two, and the largest.
std::vector<int> batch_sizes(const EngineSpec& spec) {
  std::vector<int> sizes;
  for (int64_t size = 1; size < spec.max_batch && !spec.full_batches; size *= 2)
    sizes.push_back(static_cast<int>(size));
  sizes.push_back(spec.max_batch);
  return sizes;
}

class Builder {
 public:
  Builder(PreparedNet& net, Precision precision) : net_(net), precision_(precision) {}

  // Plans for batches of each of the sizes, which ascend.
  Status build(const FloatWeights& weights, const std::vector<int>& sizes) {
    if (Status status = net_.stream.create(net_.background); !status) return status;
    if (Status status = upload(weights); !status) return status;
    if (Status status = net_.handle.create(*net_.cudnn, net_.stream.get()); !status) return status;
    Contest contest(*net_.cudnn, net_.handle.get(), net_.stream.get(), precision_, net_.ordinal);
    for (auto batch = sizes.rbegin(); batch != sizes.rend(); ++batch)  // the largest first: it may not fit
      if (Status status = add_plan(*batch, contest); !status) return status;
    std::ranges::reverse(net_.plans);
    return cuda_status("building the CUDA engine", cudaStreamSynchronize(net_.stream.get()));
  }

  size_t weight_bytes() const { return weight_bytes_; }

 private:
  Status upload(const FloatWeights& weights) {
    Result<WeightBlock> block = make_weight_block(net_.network, weights, net_.number);
    if (!block) return block.error();
    weight_bytes_ = block->bytes.size();
    net_.offsets = std::move(block->layers);
    if (Status status = net_.weights.reserve(weight_bytes_); !status) return status;
    cudaError_t code = cudaMemcpyAsync(net_.weights.data(), block->bytes.data(), weight_bytes_, cudaMemcpyHostToDevice,
                                       net_.stream.get());
    if (code == cudaSuccess) code = cudaStreamSynchronize(net_.stream.get());
    return cuda_status("copying weights to the GPU", code);
  }

  Status add_plan(int batch, Contest& contest) {
    Plan plan;
    plan.list = list_steps(net_.network, net_.number, batch);
    plan.convolutions.resize(plan.list.steps.size());
    std::map<Shape, std::shared_ptr<const Convolution>> winners;
    for (size_t i = 0; i < plan.list.steps.size(); ++i) {
      if (plan.list.steps[i].kind != StepKind::Convolution) continue;
      const size_t layer = plan.list.steps[i].layer;
      std::shared_ptr<const Convolution>& winner = winners[shape_of(net_.network.layers[layer])];
      if (!winner)
        if (Status status = choose(layer, batch, contest, winner); !status) return status;
      plan.workspace_bytes = std::max(plan.workspace_bytes, winner->workspace_bytes());
      plan.convolutions[i] = winner;
    }
    net_.plans.push_back(std::move(plan));
    return Status::success();
  }

  Status choose(size_t layer, int batch, Contest& contest, std::shared_ptr<const Convolution>& winner) {
    const LayerOffsets& offsets = net_.offsets[layer];
    Result<Convolution> fastest = contest.fastest(
        net_.network.layers[layer], batch, net_.weights.data() + offsets.weights, net_.weights.data() + offsets.bias);
    if (!fastest) return fastest.error();
    winner = std::make_shared<const Convolution>(std::move(*fastest));
    return Status::success();
  }

  PreparedNet& net_;
  Precision precision_;
  size_t weight_bytes_ = 0;
};

// What was half built gives its memory back before the GPU is asked how much is free.
Error failed_build(const Error& error, PreparedNet& net, int max_batch, size_t weight_bytes) {
  net.plans.clear();
  return with_batch_that_fits(error, net.network, net.number, max_batch, weight_bytes - net.weights.bytes());
}

Result<std::shared_ptr<const Engine>> build_engine(const Cudnn& cudnn, Network network, const FloatWeights& weights,
                                                   const EngineSpec& spec) {
  const CurrentGpu current(spec.device.ordinal);
  if (!current.status()) return current.status().error();
  const auto engine = std::make_shared<CudaEngine>();
  engine->net.cudnn = &cudnn;
  engine->net.ordinal = spec.device.ordinal;
  engine->net.background = spec.background;
  engine->net.number = number_of(spec.precision);
  engine->net.network = std::move(network);
  size_t weight_bytes = 0;
  Status built = Status::success();
  {
    Builder builder(engine->net, spec.precision);
    built = builder.build(weights, batch_sizes(spec));
    weight_bytes = builder.weight_bytes();
  }
  if (!built) return failed_build(built.error(), engine->net, spec.max_batch, weight_bytes);
  return std::shared_ptr<const Engine>(engine);
}

}  // namespace
}  // namespace cuda

Status check_cuda_inference() {
  const Result<const cuda::Cudnn*> cudnn = cuda::open_cudnn();
  return cudnn ? Status::success() : Status(cudnn.error());
}

Result<std::shared_ptr<const Engine>> create_cuda_engine(const ModelCard& card, const FloatWeights& weights,
                                                         const EngineSpec& spec) try {
  if (Status status = cuda::check_spec(card, spec); !status) return status.error();
  const Result<Architecture> architecture = find_architecture(card.architecture);
  if (!architecture) return architecture.error();
  Result<Network> network = build_network(*architecture, spec.width, spec.height, card.num_classes);
  if (!network) return network.error();
  const Result<const cuda::Cudnn*> cudnn = cuda::open_cudnn();
  if (!cudnn) return cudnn.error();
  return cuda::build_engine(**cudnn, std::move(*network), weights, spec);
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "building the CUDA engine: the host's memory ran out", "use a smaller model"};
}

}  // namespace resnetft
