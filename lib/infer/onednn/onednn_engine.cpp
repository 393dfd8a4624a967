// SPDX-License-Identifier: MIT
#include "infer/onednn/onednn_engine.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <string>
#include <unordered_map>

#include "base/log.h"
#include "device/thread_budget.h"
#include "infer/onednn/plan.h"
#include "model/normalization.h"

namespace resnetft {
namespace onednn {
namespace {

static_assert(DNNL_VERSION_MAJOR == 3 && DNNL_VERSION_MINOR >= 2, "these are not the headers of oneDNN 3.2 or later");

// LibTorch carries headers of another oneDNN that link without a word; so the library is asked too.
Status check_version() {
  const dnnl_version_t* library = dnnl_version();
  if (library->major == DNNL_VERSION_MAJOR && library->minor >= DNNL_VERSION_MINOR) return Status::success();
  return Error{ErrorCode::Incompatible,
               "oneDNN's library is " + std::to_string(library->major) + "." + std::to_string(library->minor) +
                   ", its headers were " + std::to_string(DNNL_VERSION_MAJOR) + "." +
                   std::to_string(DNNL_VERSION_MINOR),
               "build again with the oneDNN that is installed"};
}

// Ascending; a session cuts other counts into these.
constexpr std::array kBatches = {1, 2, 4, 8};

class OnednnEngine : public Engine {
 public:
  OnednnEngine(const Network& network, const FloatWeights& weights, const EngineSpec& spec)
      : engine_(dnnl::engine::kind::cpu, 0), spec_(spec), features_(network.features), classes_(network.num_classes) {
    WeightStore store(engine_);
    for (const int batch : kBatches)
      if (batch <= spec.max_batch) plans_.push_back(make_plan(engine_, network, weights, spec, batch, store));
  }

  std::string name() const override { return "onednn"; }
  TensorLayout layout() const override { return TensorLayout::Nhwc; }
  Result<std::unique_ptr<Session>> create_session() const override;

  const dnnl::engine& engine() const { return engine_; }
  const EngineSpec& spec() const { return spec_; }
  const std::vector<Plan>& plans() const { return plans_; }
  size_t features() const { return static_cast<size_t>(features_); }
  size_t classes() const { return static_cast<size_t>(classes_); }
  size_t picture() const { return static_cast<size_t>(3) * static_cast<size_t>(spec_.width * spec_.height); }

 private:
  dnnl::engine engine_;
  EngineSpec spec_;
  int64_t features_, classes_;
  std::vector<Plan> plans_;
};

// 64-byte aligned memory that a session owns.
class Buffer {
 public:
  explicit Buffer(size_t bytes) : data_(static_cast<std::byte*>(::operator new(std::max<size_t>(bytes, 1), kLine))) {}
  ~Buffer() { ::operator delete(data_, kLine); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  std::byte* data() const { return data_; }

 private:
  static constexpr std::align_val_t kLine{64};
  std::byte* data_;
};

size_t largest(const std::vector<Plan>& plans, size_t Plan::*member) {
  size_t bytes = 0;
  for (const Plan& plan : plans) bytes = std::max(bytes, plan.*member);
  return bytes;
}

class OnednnSession : public Session {
 public:
  explicit OnednnSession(std::shared_ptr<const OnednnEngine> engine)
      : engine_(std::move(engine)),
        stream_(engine_->engine()),
        budget_(engine_->spec().threads),
        arena_(largest(engine_->plans(), &Plan::arena_bytes)),
        scratchpad_(largest(engine_->plans(), &Plan::scratchpad_bytes)),
        inputs_(max_batch() * engine_->picture()),
        embeddings_(max_batch() * engine_->features()),
        logits_(max_batch() * engine_->classes()) {
    for (const Plan& plan : engine_->plans()) bound_.push_back(bind(plan));
  }

  std::span<float> input(int index) override {
    return std::span(inputs_).subspan(static_cast<size_t>(index) * engine_->picture(), engine_->picture());
  }

  Status run(int batch) override try {
    budget_.apply();
    for (int done = 0; done < batch;) done += run_chunk(done, batch - done);
    return Status::success();
  } catch (const dnnl::error& error) {
    const ErrorCode code = error.status == dnnl_out_of_memory ? ErrorCode::OutOfMemory : ErrorCode::Internal;
    return Error{code, std::string("oneDNN: ") + error.what(), ""};
  }

  std::span<const float> logits(int index) const override {
    return std::span(logits_).subspan(static_cast<size_t>(index) * engine_->classes(), engine_->classes());
  }
  std::span<const float> embedding(int index) const override {
    return std::span(embeddings_).subspan(static_cast<size_t>(index) * engine_->features(), engine_->features());
  }

 private:
  struct BoundStep {
    const dnnl::primitive* primitive;
    std::unordered_map<int, dnnl::memory> arguments;
  };
  // An operand outside the arena: it moves with the first picture of a chunk.
  struct Moving {
    dnnl::memory memory;
    float* base;
    size_t stride;
  };
  struct BoundPlan {
    int batch;
    std::vector<BoundStep> steps;
    std::vector<Moving> moving;
  };

  size_t max_batch() const { return static_cast<size_t>(engine_->spec().max_batch); }

  Moving moving_operand(const Operand& operand) {
    const dnnl::memory memory(operand.desc, engine_->engine(), nullptr);
    if (operand.place == Place::Input) return {memory, inputs_.data(), engine_->picture()};
    if (operand.place == Place::Embedding) return {memory, embeddings_.data(), engine_->features()};
    return {memory, logits_.data(), engine_->classes()};
  }

  BoundPlan bind(const Plan& plan) {
    BoundPlan bound{plan.batch, {}, {}};
    for (const Step& step : plan.steps) {
      BoundStep target{&step.primitive, {step.constants.begin(), step.constants.end()}};
      for (const Operand& operand : step.operands) {
        if (operand.place == Place::Arena) {
          target.arguments.emplace(operand.argument,
                                   dnnl::memory(operand.desc, engine_->engine(), arena_.data() + operand.offset));
          continue;
        }
        bound.moving.push_back(moving_operand(operand));
        target.arguments.emplace(operand.argument, bound.moving.back().memory);
      }
      const dnnl::memory::desc bytes({static_cast<dnnl::memory::dim>(step.scratchpad_bytes)},
                                     dnnl::memory::data_type::u8, dnnl::memory::format_tag::x);
      if (step.scratchpad_bytes > 0)
        target.arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(bytes, engine_->engine(), scratchpad_.data()));
      bound.steps.push_back(std::move(target));
    }
    return bound;
  }

  // Runs the largest plan that `left` pictures fill, from picture `first` on, and returns its batch.
  int run_chunk(int first, int left) {
    const auto fits = [&](const BoundPlan& plan) { return plan.batch <= left; };
    BoundPlan& plan = *std::ranges::find_if(bound_.rbegin(), bound_.rend(), fits);
    for (Moving& operand : plan.moving)
      operand.memory.set_data_handle(operand.base + static_cast<size_t>(first) * operand.stride);
    for (const BoundStep& step : plan.steps) step.primitive->execute(stream_, step.arguments);
    stream_.wait();
    return plan.batch;
  }

  std::shared_ptr<const OnednnEngine> engine_;
  dnnl::stream stream_;
  ThreadBudget budget_;
  Buffer arena_, scratchpad_;
  std::vector<float> inputs_, embeddings_, logits_;
  std::vector<BoundPlan> bound_;
};

Result<std::unique_ptr<Session>> OnednnEngine::create_session() const try {
  return std::unique_ptr<Session>(
      std::make_unique<OnednnSession>(std::static_pointer_cast<const OnednnEngine>(shared_from_this())));
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "no memory for a session of the oneDNN engine", "use a smaller batch"};
} catch (const dnnl::error& error) {
  return Error{ErrorCode::Internal, std::string("oneDNN: ") + error.what(), ""};
}

bool has_bfloat16() { return __builtin_cpu_supports("avx512bf16") != 0; }

void warn_where_bfloat16_is_emulated(Precision precision) {
  if (precision == Precision::Bf16 && !has_bfloat16())
    log(LogLevel::Warning, "bf16 is emulated on this processor and much slower than fp32");
}

Status check_normalization(const ModelCard& card) {
  if (has_running_statistics(card.normalization)) return Status::success();
  return Error{ErrorCode::Incompatible,
               "engine 'onednn' has no " + std::string(normalization_name(card.normalization)) + " normalisation",
               "use engine reference or auto"};
}

}  // namespace
}  // namespace onednn

Result<std::shared_ptr<const Engine>> create_onednn_engine(const Model& model, const EngineSpec& spec) try {
  if (Status status = onednn::check_version(); !status) return status.error();
  if (Status status = onednn::check_normalization(model.card()); !status) return status.error();
  const Result<Architecture> architecture = find_architecture(model.card().architecture);
  if (!architecture) return architecture.error();
  const Result<Network> network = build_network(*architecture, model.card().num_classes, spec.height, spec.width);
  if (!network) return network.error();
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  onednn::warn_where_bfloat16_is_emulated(spec.precision);
  ThreadBudget(spec.threads).apply();
  return std::shared_ptr<const Engine>(std::make_shared<onednn::OnednnEngine>(*network, **weights, spec));
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "no memory for the oneDNN engine", "use a smaller net or batch"};
} catch (const dnnl::error& error) {
  if (error.status == dnnl_unimplemented)
    return Error{ErrorCode::Incompatible, std::string("oneDNN cannot run this net here: ") + error.what(),
                 "use engine reference, or precision fp32"};
  return Error{ErrorCode::Internal, std::string("oneDNN: ") + error.what(), ""};
}

}  // namespace resnetft
