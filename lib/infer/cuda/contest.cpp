// SPDX-License-Identifier: MIT
#include "infer/cuda/contest.h"

#include <algorithm>
#include <optional>
#include <string>

#include "infer/cuda/steps.h"

namespace resnetft::cuda {
namespace {

constexpr int kRounds = 5;
constexpr size_t kLargestWorkspace = size_t{256} << 20;

}  // namespace

Contest::~Contest() {
  if (start_) cudaEventDestroy(start_);
  if (end_) cudaEventDestroy(end_);
}

Status Contest::make_room(const Layer& layer, int batch) {
  const auto bytes = [&](const Extent& extent) {
    return static_cast<size_t>(stored_channels(extent.channels, number_) * extent.height * extent.width * batch) *
           bytes_of(number_);
  };
  if (Status status = src_.reserve(bytes(layer.src_extent)); !status) return status;
  if (Status status = dst_.reserve(bytes(layer.dst_extent)); !status) return status;
  if (Status status = residual_.reserve(layer.residual >= 0 ? bytes(layer.dst_extent) : 0); !status) return status;
  for (cudaEvent_t* event : {&start_, &end_})
    if (!*event)
      if (Status status = cuda_status("making an event on the GPU", cudaEventCreate(event)); !status) return status;
  return Status::success();
}

// The best of a few runs, after one that loads what is loaded on first use.
Result<float> Contest::milliseconds(const Convolution& convolution, const Operands& operands) {
  float best = 0;
  for (int round = 0; round <= kRounds; ++round) {
    float time = 0;
    cudaEventRecord(start_, stream_);
    if (Status status = convolution.run(handle_, stream_, operands); !status) return status.error();
    cudaEventRecord(end_, stream_);
    cudaError_t code = cudaEventSynchronize(end_);
    if (code == cudaSuccess) code = cudaEventElapsedTime(&time, start_, end_);
    if (Status status = cuda_status("timing a convolution on the GPU", code); !status) return status.error();
    if (round > 0) best = round == 1 ? time : std::min(best, time);
  }
  return best;
}

Result<float> Contest::trial(Convolution& convolution, const Algorithm& candidate, const void* weights,
                             const void* bias) {
  if (Status status = convolution.take(handle_, candidate); !status) return status.error();
  const size_t bytes = convolution.algorithm().workspace_bytes;
  if (bytes > kLargestWorkspace)
    return Error{ErrorCode::Incompatible, "an algorithm asks for a workspace of " + std::to_string(bytes) + " bytes",
                 ""};
  if (Status status = workspace_.reserve(bytes); !status) return status.error();
  return milliseconds(convolution, {src_.data(), weights, bias, residual_.data(), dst_.data(), workspace_.data()});
}

// The fastest of the candidates, or the last one's error.
Result<Algorithm> Contest::fastest(Convolution& convolution, bool fused, const void* weights, const void* bias) {
  std::optional<Algorithm> winner;
  float shortest = 0;
  Error last = {ErrorCode::Incompatible, "cuDNN names no algorithm for a convolution", "use device cpu"};
  for (const Algorithm& candidate : convolution.candidates(handle_, fused)) {
    const Result<float> time = trial(convolution, candidate, weights, bias);
    if (!time) {
      last = time.error();
    } else if (!winner || *time < shortest) {
      winner = candidate;
      shortest = *time;
    }
  }
  return winner ? Result<Algorithm>(*winner) : last;
}

Status Contest::hold(Convolution& convolution, const Layer& layer, int batch, const void* weights, const void* bias) {
  if (Status status = make_room(layer, batch); !status) return status;
  Result<Algorithm> winner = fastest(convolution, true, weights, bias);
  if (!winner && winner.error().code != ErrorCode::OutOfMemory) winner = fastest(convolution, false, weights, bias);
  return winner ? convolution.take(handle_, *winner) : Status(winner.error());
}

}  // namespace resnetft::cuda
