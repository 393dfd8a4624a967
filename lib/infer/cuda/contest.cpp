// SPDX-License-Identifier: MIT
#include "infer/cuda/contest.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include "device/cuda/number_bits.h"
#include "infer/cuda/steps.h"

namespace resnetft::cuda {
namespace {

// At batch 1 a convolution takes no longer than its launch: a graph of several has none between them. The rounds are
// played in turn, so that a clock that is still rising favours nobody.
constexpr int kRunsInGraph = 8, kRounds = 4;
// By itself a way that takes so many times as long as another one need not be recorded.
constexpr float kHopeless = 4;

constexpr size_t kRandomBlock = size_t{64} << 10;  // bytes that are repeated

template <class Numbers>
std::vector<uint8_t> random_block() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<uint8_t> bytes(kRandomBlock);
  for (size_t at = 0; at < bytes.size(); at += sizeof(typename Numbers::Stored)) {
    const auto stored = Numbers::store(values(random));
    std::memcpy(bytes.data() + at, &stored, sizeof stored);
  }
  return bytes;
}

std::vector<uint8_t> random_block(NumberType number) {
  switch (number) {
    case NumberType::Float16:
      return random_block<Float16Numbers>();
    case NumberType::BFloat16:
      return random_block<BFloat16Numbers>();
    case NumberType::Float32:
      break;
  }
  return random_block<Float32Numbers>();
}

}  // namespace

// Room for so many bytes, and numbers in it: a GPU that has only zeros to multiply takes less power, and is faster.
Status Contest::make_numbers(CudaMemory& memory, size_t bytes) {
  if (bytes <= memory.bytes()) return Status::success();
  if (Status status = memory.reserve(bytes); !status) return status;
  const std::vector<uint8_t> block = random_block(number_of(precision_));
  cudaError_t code = cudaSuccess;
  for (size_t at = 0; at < bytes && code == cudaSuccess; at += block.size())
    code = cudaMemcpyAsync(memory.data() + at, block.data(), std::min(block.size(), bytes - at), cudaMemcpyHostToDevice,
                           stream_);
  if (code == cudaSuccess) code = cudaStreamSynchronize(stream_);
  return cuda_status("filling the GPU's memory with numbers", code);
}

Status Contest::make_room(const Layer& layer, int batch) {
  const NumberType number = number_of(precision_);
  const auto bytes = [&](const Extent& extent) {
    return static_cast<size_t>(stored_channels(extent.channels, number) * extent.height * extent.width * batch) *
           bytes_of(number);
  };
  const size_t residual_bytes = layer.residual >= 0 ? bytes(layer.dst_extent) : 0;
  if (Status status = make_numbers(src_, bytes(layer.src_extent)); !status) return status;
  if (Status status = dst_.reserve(bytes(layer.dst_extent)); !status) return status;
  if (Status status = make_numbers(residual_, residual_bytes); !status) return status;
  for (Event* event : {&start_, &end_})
    if (!event->get())
      if (Status status =
              event->make("making an event on the GPU", [](cudaEvent_t* made) { return cudaEventCreate(made); });
          !status)
        return status;
  return Status::success();
}

Result<std::vector<Contest::Entrant>> Contest::entrants(const Layer& layer, int batch) {
  std::vector<Entrant> all;
  std::optional<Error> reason;
  for (const bool fused : {true, false}) {
    Result<std::vector<Convolution>> ways =
        Convolution::ways(cudnn_, {.handle = handle_}, layer, precision_, batch, fused);
    if (!ways) reason = ways.error();
    if (ways)
      for (Convolution& way : *ways) all.push_back({std::move(way), {}, std::numeric_limits<float>::max()});
  }
  if (all.empty()) return *reason;
  return all;
}

// For all, since graphs keep its address. Those that ask for more than there is drop out.
Status Contest::make_workspace(std::vector<Entrant>& entrants) {
  const auto bytes_of = [](const Entrant& entrant) { return entrant.convolution.workspace_bytes(); };
  for (;;) {
    const size_t most = bytes_of(*std::ranges::max_element(entrants, {}, bytes_of));
    Status status = workspace_.reserve(most);
    if (status || status.error().code != ErrorCode::OutOfMemory) return status;
    std::erase_if(entrants, [&](const Entrant& entrant) { return bytes_of(entrant) == most; });
    if (entrants.empty()) return status;
  }
}

template <class Queue>
Result<float> Contest::milliseconds(const Queue& queue) {
  constexpr const char* kDoing = "timing a convolution on the GPU";
  if (Status status = cuda_status(kDoing, cudaEventRecord(start_.get(), stream_)); !status) return status.error();
  if (Status status = queue(); !status) return status.error();
  float time = 0;
  cudaError_t code = cudaEventRecord(end_.get(), stream_);
  if (code == cudaSuccess) code = cudaEventSynchronize(end_.get());
  if (code == cudaSuccess) code = cudaEventElapsedTime(&time, start_.get(), end_.get());
  if (Status status = cuda_status(kDoing, code); !status) return status.error();
  return time;
}

// By itself, the second time, since the first loads what is loaded on first use; then recorded, unless it is hopeless.
Result<float> Contest::try_out(Entrant& entrant, const Operands& operands, float best) {
  const auto run = [&] { return entrant.convolution.run(handle_, stream_, operands); };
  const std::scoped_lock guard(cudnn_mutex());
  if (const Result<float> first = milliseconds(run); !first) return first;
  Result<float> time = milliseconds(run);
  if (!time || *time > kHopeless * best) return time;
  const Status recorded = entrant.runs.record(stream_, [&] {
    Status status = Status::success();
    for (int i = 0; i < kRunsInGraph && status; ++i) status = run();
    return status;
  });
  return recorded ? time : recorded.error();
}

Status Contest::play(Entrant& entrant) {
  const auto launch = [&] { return cuda_status("timing a convolution on the GPU", entrant.runs.launch(stream_)); };
  const Result<float> time = milliseconds(launch);
  if (!time) return time.error();
  entrant.shortest = std::min(entrant.shortest, *time);
  return Status::success();
}

// Nothing where none is, or where it cannot be had any more: its workspace may not fit, and another way's may.
std::optional<Convolution> Contest::known(const ConvolutionKind& kind, const Layer& layer, int batch) {
  const std::optional<Way> way = find_winner(kind);
  if (!way) return std::nullopt;
  Result<std::vector<Convolution>> found =
      Convolution::ways(cudnn_, {.handle = handle_}, layer, precision_, batch, way->fused, &*way);
  if (!found || !workspace_.reserve(found->front().workspace_bytes())) return std::nullopt;
  return std::move(found->front());
}

Result<Convolution> Contest::fastest(const Layer& layer, int batch, const void* weights, const void* bias) {
  const ConvolutionKind kind = {cudnn_.GetVersion(), ordinal_, precision_, batch, shape_of(layer)};
  if (std::optional<Convolution> again = known(kind, layer, batch)) return std::move(*again);
  if (Status status = make_room(layer, batch); !status) return status.error();
  Result<std::vector<Entrant>> found = entrants(layer, batch);
  if (!found) return found.error();
  const size_t listed = found->size();
  if (Status status = make_workspace(*found); !status) return status.error();
  bool had_room = found->size() == listed;  // all of them: else the GPU's memory chose
  const Operands operands = {src_.data(), weights, bias, residual_.data(), dst_.data(), workspace_.data()};
  std::vector<Entrant> ready;
  Status last = Status::success();
  float best = std::numeric_limits<float>::max();
  for (Entrant& entrant : *found) {
    const Result<float> time = try_out(entrant, operands, best);
    if (!time) last = time.error();
    if (!time && time.error().code == ErrorCode::OutOfMemory) had_room = false;
    if (!time || *time > kHopeless * best) continue;
    best = std::min(best, *time);
    ready.push_back(std::move(entrant));
  }
  if (ready.empty()) return last.error();
  for (int round = 0; round < kRounds; ++round)
    for (Entrant& entrant : ready)
      if (Status status = play(entrant); !status) return status.error();
  Convolution& winner = std::ranges::min_element(ready, {}, &Entrant::shortest)->convolution;
  if (had_room) remember_winner(kind, winner.way());
  return std::move(winner);
}

}  // namespace resnetft::cuda
