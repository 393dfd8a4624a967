// SPDX-License-Identifier: MIT
#include "infer/onednn/onednn_session.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "device/thread_budget.h"
#include "infer/onednn/arena.h"

namespace resnetft::onednn {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Block = std::unique_ptr<T[], Free>;

// Zeroed, so that a session that has not run yet shows zeros, and every page is there before the first run.
template <class T>
Block<T> allocate(size_t count) {
  const size_t bytes = (count * sizeof(T) + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  void* memory = std::aligned_alloc(kBufferAlignment, std::max(bytes, kBufferAlignment));
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return Block<T>(static_cast<T*>(memory));
}

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

class OnednnSession : public Session {
 public:
  OnednnSession(std::shared_ptr<const Engine> engine, const dnnl::engine& device, const std::vector<Plan>& plans,
                const SessionShape& shape)
      : engine_(std::move(engine)), stream_(device), shape_(shape) {
    const size_t batch = static_cast<size_t>(shape.max_batch);
    size_t arena = 0, scratchpad = 0;
    for (const Plan& plan : plans) {
      arena = std::max(arena, plan.arena_bytes);
      scratchpad = std::max(scratchpad, plan.scratchpad_bytes);
    }
    input_ = allocate<float>(batch * shape.picture);
    features_ = allocate<float>(batch * shape.features);
    logits_ = allocate<float>(batch * shape.classes);
    arena_ = allocate<std::byte>(arena);
    scratchpad_ = allocate<std::byte>(scratchpad);
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
      ThreadBudget(shape_.threads).apply();
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
  template <class T>
  static std::span<T> row(const Block<T>& block, size_t size, int index) {
    return {block.get() + static_cast<size_t>(index) * size, size};
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
    return arena_.get() + place.offset;
  }

  BoundPlan bind(const Plan& plan, const dnnl::engine& device) {
    BoundPlan bound{plan.batch, {}};
    for (const Step& step : plan.steps) {
      BoundStep entry{&step,
                      dnnl::memory(step.src_desc, device, address(step.src, 0)),
                      dnnl::memory(step.dst_desc, device, address(step.dst, 0)),
                      {}};
      entry.arguments = {{DNNL_ARG_SRC, entry.src}, {DNNL_ARG_DST, entry.dst}};
      entry.arguments[DNNL_ARG_SCRATCHPAD] = dnnl::memory(step.scratchpad_desc, device, scratchpad_.get());
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
  Block<float> input_;
  Block<float> features_;
  Block<float> logits_;
  Block<std::byte> arena_;
  Block<std::byte> scratchpad_;
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
