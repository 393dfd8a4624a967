// SPDX-License-Identifier: MIT
#include "infer/onednn/onednn_engine.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <new>
#include <string>

#include "base/log.h"
#include "device/thread_budget.h"
#include "infer/onednn/choice.h"
#include "infer/onednn/onednn_session.h"
#include "model/normalization.h"

namespace resnetft {
namespace onednn {
namespace {

using Created = Result<std::shared_ptr<const Engine>>;

static_assert(DNNL_VERSION_MAJOR == 3 && DNNL_VERSION_MINOR >= 2,
              "these are the headers of another oneDNN than the one that is linked (LibTorch carries its own): "
              "resnetft needs oneDNN 3.2 or later");

// Larger batches are run in parts: beyond four pictures the activations of the first stage leave the cache, and
// ResNet-50 was 3 % slower at 8 than at 4 (AVX-512, two cores, 32 MB of L3), with twice the memory.
constexpr int kLargestPlan = 4;

// A library older than its headers links without a word and then reads structures that it does not know.
Status check_library_version() {
  const dnnl_version_t* library = dnnl_version();
  if (library->major == DNNL_VERSION_MAJOR && library->minor >= DNNL_VERSION_MINOR) return Status::success();
  return Error{ErrorCode::Incompatible,
               "oneDNN " + std::to_string(library->major) + "." + std::to_string(library->minor) +
                   " is loaded, resnetft was built with the headers of " + std::to_string(DNNL_VERSION_MAJOR) + "." +
                   std::to_string(DNNL_VERSION_MINOR),
               "install the oneDNN that resnetft was built with, or build it again"};
}

Status check_spec(const ModelCard& card, const EngineSpec& spec) {
  if (!has_running_statistics(card.normalization))
    return Error{ErrorCode::Incompatible,
                 "engine onednn has no " + std::string(normalization_name(card.normalization)) +
                     " normalisation, only batch and frozen",
                 "use engine reference or auto"};
  if (spec.max_batch < 1 || spec.threads < 1)
    return Error{ErrorCode::InvalidArgument,
                 "an engine for batches up to " + std::to_string(spec.max_batch) + " on " +
                     std::to_string(spec.threads) + " threads",
                 "both are at least 1"};
  return Status::success();
}

void warn_of_emulation(Precision precision) {
  const int isa = static_cast<int>(dnnl::get_effective_cpu_isa());
  const bool native = (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
  if (precision == Precision::Bf16 && !native)
    log(LogLevel::Warning,
        "this processor has no bf16 arithmetic (AVX512_BF16 or AMX): bf16 is emulated, about ten times slower than "
        "fp32");
}

class OnednnEngine : public Engine {
 public:
  OnednnEngine(dnnl::engine engine, SessionShape shape, MemoryPool weights, std::vector<Plan> plans)
      : engine_(std::move(engine)), shape_(shape), weights_(std::move(weights)), plans_(std::move(plans)) {}

  std::string name() const override { return "onednn"; }
  TensorLayout layout() const override { return TensorLayout::Nhwc; }

  Result<std::unique_ptr<Session>> create_session() const override {
    return create_onednn_session(shared_from_this(), engine_, plans_, shape_);
  }

 private:
  dnnl::engine engine_;
  SessionShape shape_;
  MemoryPool weights_;
  std::vector<Plan> plans_;  // the largest batch first
};

// The contest and the folding leave tens of megabytes of freed blocks that the allocator would keep.
void return_freed_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

Created build_engine(const Architecture& architecture, const Network& network, const FloatWeights& weights,
                     const EngineSpec& spec) {
  Target target;
  target.engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
  target.type = spec.precision == Precision::Bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  const Implementations implementations = choose_implementations(architecture, spec.width, spec.height, target);
  ThreadBudget(spec.threads).apply();
  MemoryPool pool;
  WeightStore store(network, weights, target.engine, pool);
  std::vector<Plan> plans;
  for (int batch = kLargestPlan; batch >= 1; batch /= 2) {
    if (batch > spec.max_batch) continue;
    Result<Plan> plan = build_plan(network, target, implementations, batch, store);
    if (!plan) return plan.error();
    plans.push_back(std::move(*plan));
  }
  return_freed_memory();
  const Extent& picture = network.layers.front().src_extent;
  const SessionShape shape{static_cast<size_t>(3 * picture.height * picture.width),
                           static_cast<size_t>(network.layers.back().src_extent.channels),
                           static_cast<size_t>(network.layers.back().dst_extent.channels), spec.max_batch,
                           spec.threads};
  return std::shared_ptr<const Engine>(
      std::make_shared<OnednnEngine>(target.engine, shape, std::move(pool), std::move(plans)));
}

}  // namespace
}  // namespace onednn

Result<std::shared_ptr<const Engine>> create_onednn_engine(const ModelCard& card, const FloatWeights& weights,
                                                           const EngineSpec& spec) {
  for (const Status& status : {onednn::check_library_version(), onednn::check_spec(card, spec)})
    if (!status) return status.error();
  const Result<Architecture> architecture = find_architecture(card.architecture);
  if (!architecture) return architecture.error();
  const Result<Network> network = build_network(*architecture, spec.width, spec.height, card.num_classes);
  if (!network) return network.error();
  onednn::warn_of_emulation(spec.precision);
  return onednn::guarded("building the oneDNN engine of " + card.architecture,
                         [&] { return onednn::build_engine(*architecture, *network, weights, spec); });
}

Result<std::shared_ptr<const Engine>> create_onednn_engine(const Model& model, const EngineSpec& spec) {
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  return create_onednn_engine(model.card(), **weights, spec);
}

}  // namespace resnetft
