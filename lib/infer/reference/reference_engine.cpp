// SPDX-License-Identifier: MIT
#include "infer/reference/reference_engine.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <array>
#include <atomic>

#include "base/log.h"
#include "device/parallel_run.h"
#include "device/torch/guarded.h"
#include "model/torch/resnet_weights.h"

namespace resnetft {
namespace {

at::ScalarType scalar_type(Precision precision) { return precision == Precision::Bf16 ? at::kBFloat16 : at::kFloat; }

class ReferenceEngine : public Engine {
 public:
  ReferenceEngine(const EngineSpec& spec, std::shared_ptr<const ResNet> net) : spec_(spec), net_(std::move(net)) {}
  std::string name() const override { return "reference"; }
  TensorLayout layout() const override { return TensorLayout::Nchw; }
  Result<std::unique_ptr<Session>> create_session() const override;
  const EngineSpec& spec() const { return spec_; }
  const ResNet& net() const { return *net_; }

 private:
  EngineSpec spec_;
  std::shared_ptr<const ResNet> net_;
};

// Row `index` of a contiguous float tensor [N, C].
std::span<const float> row_of(const at::Tensor& rows, int index) {
  const size_t width = static_cast<size_t>(rows.size(1));
  return {rows.const_data_ptr<float>() + static_cast<size_t>(index) * width, width};
}

class ReferenceSession : public Session {
 public:
  explicit ReferenceSession(std::shared_ptr<const ReferenceEngine> engine)
      : engine_(std::move(engine)),
        input_(at::zeros({engine_->spec().max_batch, 3, engine_->spec().height, engine_->spec().width})) {}

  std::span<float> input(int index) override {
    const size_t size = static_cast<size_t>(input_[0].numel());
    return {input_.mutable_data_ptr<float>() + static_cast<size_t>(index) * size, size};
  }

  Status run(int batch) override {
    if (batch < 1 || batch > engine_->spec().max_batch)
      return Error{
          ErrorCode::Internal,
          "a batch of " + std::to_string(batch) + " in a session for 1 to " + std::to_string(engine_->spec().max_batch),
          ""};
    return guarded("running the reference engine", [&] {
      const ParallelRun parallel(engine_->spec().threads);
      const c10::InferenceMode inference;
      const at::Tensor pictures = input_.narrow(0, 0, batch).to(scalar_type(engine_->spec().precision));
      const at::Tensor features = engine_->net().features(pictures);
      logits_ = engine_->net().logits(features).to(at::kFloat).contiguous();
      embedding_ = features.to(at::kFloat).contiguous();
      return Status::success();
    });
  }

  std::span<const float> logits(int index) const override { return row_of(logits_, index); }
  std::span<const float> embedding(int index) const override { return row_of(embedding_, index); }

 private:
  std::shared_ptr<const ReferenceEngine> engine_;
  at::Tensor input_;  // [max_batch, 3, height, width]
  at::Tensor logits_;
  at::Tensor embedding_;
};

Result<std::unique_ptr<Session>> ReferenceEngine::create_session() const {
  return guarded("preparing a session of the reference engine", [&]() -> Result<std::unique_ptr<Session>> {
    return std::unique_ptr<Session>(
        std::make_unique<ReferenceSession>(std::static_pointer_cast<const ReferenceEngine>(shared_from_this())));
  });
}

Status check(const EngineSpec& spec) {
  struct Count {
    const char* name;
    int value;
  };
  for (const Count& count : std::array{Count{"width", spec.width}, Count{"height", spec.height},
                                       Count{"batch size", spec.max_batch}, Count{"thread count", spec.threads}})
    if (count.value < 1)
      return Error{ErrorCode::InvalidArgument,
                   "an engine's " + std::string(count.name) + " of " + std::to_string(count.value) + " is impossible",
                   "give 1 or more"};
  return Status::success();
}

void warn_where_bf16_is_emulated() {
  static std::atomic<bool> warned = false;
  if (__builtin_cpu_supports("avx512bf16") || warned.exchange(true)) return;
  log(LogLevel::Warning, "this processor emulates bf16, which is slower than fp32; use precision fp32");
}

}  // namespace

Result<std::shared_ptr<const Engine>> create_reference_engine(const ModelCard& card, const FloatWeights& weights,
                                                              const EngineSpec& spec) {
  return guarded("preparing the reference engine", [&]() -> Result<std::shared_ptr<const Engine>> {
    if (const Status good = check(spec); !good) return good.error();
    const Result<Architecture> architecture = find_architecture(card.architecture);
    if (!architecture) return architecture.error();
    if (spec.precision == Precision::Bf16) warn_where_bf16_is_emulated();
    const auto net = std::make_shared<ResNet>(*architecture, card.num_classes, card.normalization);
    if (const Status loaded = load_weights(*net, weights); !loaded) return loaded.error();
    net->eval();
    net->to(scalar_type(spec.precision));
    return std::shared_ptr<const Engine>(std::make_shared<ReferenceEngine>(spec, net));
  });
}

}  // namespace resnetft
