// SPDX-License-Identifier: MIT
#include "infer/onednn/onednn_session.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "device/parallel_run.h"
#include "infer/onednn/memory_block.h"

namespace resnetft::onednn {
namespace {

// A step of a plan with its memory objects. Those at the session's borders move with the first picture of the part.
struct BoundStep {
  const Step* step;
  dnnl::memory src;
  dnnl::memory dst;
  std::unordered_map<int, dnnl::memory> arguments;
};

struct BoundPlan {
  int batch;
  std::vector<BoundStep> steps;
};

size_t largest(const std::vector<Plan>& plans, size_t Plan::*bytes) {
  size_t result = 0;
  for (const Plan& plan : plans) result = std::max(result, plan.*bytes);
  return result;
}

class OnednnSession : public Session {
 public:
  OnednnSession(std::shared_ptr<const Engine> engine, const dnnl::engine& device, const std::vector<Plan>& plans,
                const SessionShape& shape)
      : engine_(std::move(engine)),
        stream_(device),
        shape_(shape),
        input_(bytes_for(shape.picture)),
        features_(bytes_for(shape.features)),
        logits_(bytes_for(shape.classes)),
        arena_(largest(plans, &Plan::arena_bytes)),
        scratchpad_(largest(plans, &Plan::scratchpad_bytes)) {
    // Every page is there before the first run.
    for (MemoryBlock* const block : {&input_, &features_, &logits_, &arena_, &scratchpad_})
      std::memset(block->data(), 0, block->bytes());
    for (const Plan& plan : plans) plans_.push_back(bind(plan, device));
  }

  std::span<float> input(int index) override { return row(input_, shape_.picture, index); }
  std::span<const float> logits(int index) const override { return row(logits_, shape_.classes, index); }
  std::span<const float> embedding(int index) const override { return row(features_, shape_.features, index); }

  // The largest plan that fits takes the first pictures, and so on: 7 pictures are 4, 2 and 1.
  Status run(int batch) override {
    if (batch < 1 || batch > shape_.max_batch)
      return Error{ErrorCode::InvalidArgument, "a run of " + std::to_string(batch) + " pictures",
                   "this session takes 1 to " + std::to_string(shape_.max_batch)};
    return guarded("running the oneDNN engine", [&]() -> Status {
      const ParallelRun parallel(shape_.threads);
      for (int first = 0; first < batch;) {
        const auto fits = [&](const BoundPlan& plan) { return plan.batch <= batch - first; };
        BoundPlan& plan = *std::find_if(plans_.begin(), plans_.end(), fits);
        run_part(plan, first);
        first += plan.batch;
      }
      return Status::success();
    });
  }

 private:
  // Of one row of this many floats for each picture.
  size_t bytes_for(size_t row) const { return static_cast<size_t>(shape_.max_batch) * row * sizeof(float); }

  static std::span<float> row(const MemoryBlock& block, size_t size, int index) {
    return {reinterpret_cast<float*>(block.data()) + static_cast<size_t>(index) * size, size};
  }

  void* address(const Place& place, int first) {
    switch (place.storage) {
      case Storage::Input:
        return row(input_, shape_.picture, first).data();
      case Storage::Features:
        return row(features_, shape_.features, first).data();
      case Storage::Logits:
        return row(logits_, shape_.classes, first).data();
      case Storage::Arena:
        break;
    }
    return arena_.data() + place.offset;
  }

  BoundPlan bind(const Plan& plan, const dnnl::engine& device) {
    BoundPlan bound{plan.batch, {}};
    for (const Step& step : plan.steps) {
      BoundStep entry{&step,
                      dnnl::memory(step.src_desc, device, address(step.src, 0)),
                      dnnl::memory(step.dst_desc, device, address(step.dst, 0)),
                      {}};
      entry.arguments = {{DNNL_ARG_SRC, entry.src}, {DNNL_ARG_DST, entry.dst}};
      entry.arguments[DNNL_ARG_SCRATCHPAD] = dnnl::memory(step.scratchpad_desc, device, scratchpad_.data());
      if (step.weights) entry.arguments[DNNL_ARG_WEIGHTS] = step.weights;
      if (step.bias) entry.arguments[DNNL_ARG_BIAS] = step.bias;
      bound.steps.push_back(std::move(entry));
    }
    return bound;
  }

  void run_part(BoundPlan& plan, int first) {
    for (BoundStep& entry : plan.steps) {
      if (entry.step->src.storage != Storage::Arena) entry.src.set_data_handle(address(entry.step->src, first));
      if (entry.step->dst.storage != Storage::Arena) entry.dst.set_data_handle(address(entry.step->dst, first));
      entry.step->primitive.execute(stream_, entry.arguments);
    }
    stream_.wait();
  }

  std::shared_ptr<const Engine> engine_;  // owns the plans that the steps point into
  dnnl::stream stream_;
  SessionShape shape_;
  MemoryBlock input_;
  MemoryBlock features_;
  MemoryBlock logits_;
  MemoryBlock arena_;
  MemoryBlock scratchpad_;
  std::vector<BoundPlan> plans_;
};

}  // namespace

Result<std::unique_ptr<Session>> create_onednn_session(std::shared_ptr<const Engine> engine, const dnnl::engine& device,
                                                       const std::vector<Plan>& plans, const SessionShape& shape) {
  return guarded("creating a oneDNN session", [&]() -> Result<std::unique_ptr<Session>> {
    return std::unique_ptr<Session>(std::make_unique<OnednnSession>(std::move(engine), device, plans, shape));
  });
}

}  // namespace resnetft::onednn
