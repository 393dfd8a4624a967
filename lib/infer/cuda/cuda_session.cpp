// SPDX-License-Identifier: MIT
#include "infer/cuda/cuda_session.h"

#include <algorithm>
#include <string>

#include "device/cuda/cuda_preprocessor.h"
#include "infer/cuda/cuda_graph.h"

namespace resnetft::cuda {
namespace {

constexpr double kUsableShare = 0.9;  // of what is free: cuDNN's handle and workspace come on top

class CudaSession : public FrameSession {
 public:
  CudaSession(std::shared_ptr<const Engine> engine, const PreparedNet& net)
      : engine_(std::move(engine)),
        net_(net),
        picture_(picture_floats(net.network)),
        features_(static_cast<size_t>(net.network.layers.back().src_extent.channels)),
        row_(row_floats(net.network)) {}

  ~CudaSession() override {
    const CurrentGpu current(net_.ordinal);
    settle();
    graphs_.clear();
  }

  // `preprocess`: of pictures that come by take(); null: they come by input().
  Status start(const PreprocessSpec* preprocess) {
    const CurrentGpu current(net_.ordinal);
    if (!current.status()) return current.status();
    if (Status status = stream_.create(net_.background); !status) return status;
    if (preprocess)
      if (Status status = start_preprocessing(*preprocess); !status) return status;
    if (Status status = allocate(); !status) return status;
    for (const Plan& plan : net_.plans)
      if (Status status = prepare(plan); !status) return status;
    return Status::success();
  }

  std::span<float> input(int index) override {
    if (preprocessor_) return {};
    return {floats_of(staged_input_) + static_cast<size_t>(index) * picture_, picture_};
  }
  std::span<const float> embedding(int index) const override { return {row(index), features_}; }
  std::span<const float> logits(int index) const override { return {row(index) + features_, row_ - features_}; }

  // Straight to where the graph reads it; the graph comes later on the same stream. After a failure no run waits for
  // what is queued, but the pictures are the caller's again.
  Status take(int index, const ImageView& image) override {
    if (Status status = check_count(index + 1, "a picture in place " + std::to_string(index)); !status) return status;
    Status status = preprocessor_->run(image, {}, input_.data() + input_bytes(index));
    const bool was_refused = !status && status.error().code == ErrorCode::InvalidArgument;
    if (!status && !(was_refused && index == 0)) settle();
    return status;
  }

  // The smallest graph that holds the batch; what stands in the places beyond it is not looked at.
  Status run(int batch) override {
    if (Status status = check_count(batch, "a run of " + std::to_string(batch) + " pictures"); !status) return status;
    if (preprocessor_)
      if (Status status = preprocessor_->flush(); !status) return status;
    const CurrentGpu current(net_.ordinal);
    if (!current.status()) return current.status();
    const auto holds = [&](const Plan& plan) { return plan.list.batch >= batch; };
    const auto plan = std::ranges::find_if(net_.plans, holds);
    const Graph& graph = graphs_[static_cast<size_t>(plan - net_.plans.begin())];
    cudaError_t code = graph.launch(stream_.get());
    if (code == cudaSuccess) code = cudaStreamSynchronize(stream_.get());
    return cuda_status("running the CUDA engine", code);
  }

 private:
  static float* floats_of(const PinnedMemory& memory) { return reinterpret_cast<float*>(memory.data()); }
  const float* row(int index) const { return floats_of(staged_output_) + static_cast<size_t>(index) * row_; }
  size_t input_bytes(int batch) const { return static_cast<size_t>(batch) * picture_ * sizeof(float); }
  size_t output_bytes(int batch) const { return static_cast<size_t>(batch) * row_ * sizeof(float); }

  void settle() {
    if (!stream_.get()) return;  // null is everybody's stream
    const CurrentGpu current(net_.ordinal);
    cudaStreamSynchronize(stream_.get());
  }

  Status check_count(int pictures, const std::string& what) const {
    const int largest = net_.plans.back().list.batch;
    if (pictures >= 1 && pictures <= largest) return Status::success();
    return Error{ErrorCode::InvalidArgument, what, "this session takes 1 to " + std::to_string(largest)};
  }

  Status start_preprocessing(const PreprocessSpec& spec) {
    Result<std::unique_ptr<CudaPreprocessor>> made = create_cuda_preprocessor(
        {.spec = spec, .number = NumberType::Float32, .ordinal = net_.ordinal, .stream = stream_.get()});
    if (!made) return made.error();
    preprocessor_ = std::move(*made);
    return Status::success();
  }

  Status allocate() {
    size_t arena = 0, workspace = 0;
    for (const Plan& plan : net_.plans) {
      arena = std::max(arena, plan.list.arena_bytes);
      workspace = std::max(workspace, plan.workspace_bytes);
    }
    const int batch = net_.plans.back().list.batch;
    if (Status status = input_.reserve(input_bytes(batch)); !status) return status;
    if (Status status = arena_.reserve(arena); !status) return status;
    if (Status status = output_.reserve(output_bytes(batch)); !status) return status;
    if (Status status = workspace_.reserve(workspace); !status) return status;
    if (preprocessor_) {
      const cudaError_t code = cudaMemsetAsync(input_.data(), 0, input_bytes(batch), stream_.get());
      if (Status status = cuda_status("clearing the GPU's memory", code); !status) return status;
    } else if (Status status = staged_input_.allocate(input_bytes(batch)); !status) {
      return status;
    }
    return staged_output_.allocate(output_bytes(batch));
  }

  Status queue(const Plan& plan) {
    const int batch = plan.list.batch;
    const Buffers buffers = {input_.data(), arena_.data(), output_.data(), workspace_.data()};
    if (!preprocessor_) {
      const cudaError_t code = cudaMemcpyAsync(input_.data(), staged_input_.data(), input_bytes(batch),
                                               cudaMemcpyHostToDevice, stream_.get());
      if (Status status = cuda_status("copying pictures to the GPU", code); !status) return status;
    }
    if (Status status = queue_plan(net_, plan, buffers, stream_.get()); !status) return status;
    return cuda_status("copying logits from the GPU",
                       cudaMemcpyAsync(staged_output_.data(), output_.data(), output_bytes(batch),
                                       cudaMemcpyDeviceToHost, stream_.get()));
  }

  // Run once by itself first, to be loaded.
  Status prepare(const Plan& plan) {
    const HandleOnStream handle(net_, stream_.get());
    if (!handle.status()) return handle.status();
    if (Status status = queue(plan); !status) return status;
    if (Status status = cuda_status("running the CUDA engine", cudaStreamSynchronize(stream_.get())); !status)
      return status;
    Graph graph;
    if (Status status = graph.record(stream_.get(), [&] { return queue(plan); }); !status) return status;
    graphs_.push_back(std::move(graph));
    return cuda_status("preparing a CUDA graph", cudaStreamSynchronize(stream_.get()));
  }

  std::shared_ptr<const Engine> engine_;  // owns the net
  const PreparedNet& net_;
  size_t picture_, features_, row_;  // in floats
  CudaStream stream_{nullptr};
  std::unique_ptr<CudaPreprocessor> preprocessor_;  // on the same stream; null: pictures come by input()
  CudaMemory input_, arena_, output_, workspace_;
  PinnedMemory staged_input_, staged_output_;
  std::vector<Graph> graphs_;  // one for each plan
};

}  // namespace

Error with_batch_that_fits(Error error, const Network& network, NumberType number, int batch, size_t more) {
  if (error.code != ErrorCode::OutOfMemory) return error;
  size_t free = 0, total = 0;
  if (!cuda_status("asking for the GPU's memory", cudaMemGetInfo(&free, &total))) return error;
  const auto fits = [&](int smaller) {
    const size_t needed = session_bytes(network, list_steps(network, number, smaller)) + kPreprocessorBytes + more;
    return static_cast<double>(needed) < kUsableShare * static_cast<double>(free);
  };
  int smaller = batch / 2;
  while (smaller > 0 && !fits(smaller)) smaller /= 2;
  error.message = "batches of " + std::to_string(batch) + ": " + error.message;
  error.hint = "a batch of " + std::to_string(smaller) + " may fit; or end other programs on the GPU";
  if (smaller > 0) return error;
  return {ErrorCode::DeviceUnavailable, error.message, "end other programs on the GPU, or use device cpu"};
}

Result<std::unique_ptr<FrameSession>> create_cuda_session(std::shared_ptr<const Engine> engine, const PreparedNet& net,
                                                          const PreprocessSpec* preprocess) {
  auto session = std::make_unique<CudaSession>(std::move(engine), net);
  const Status started = session->start(preprocess);
  if (started) return std::unique_ptr<FrameSession>(std::move(session));
  session.reset();
  const CurrentGpu current(net.ordinal);
  return with_batch_that_fits(started.error(), net.network, net.number, net.plans.back().list.batch, 0);
}

}  // namespace resnetft::cuda
