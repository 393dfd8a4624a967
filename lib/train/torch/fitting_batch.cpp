// SPDX-License-Identifier: MIT
#include "train/torch/fitting_batch.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <functional>

#include "device/torch/guarded.h"
#include "train/torch/cpu_run.h"
#include "train/torch/parameters.h"
#include "train/torch/sources.h"

namespace resnetft {
namespace {

at::Tensor empty_pictures(const ResNet& net, uint32_t count, const PreprocessSpec& spec) {
  return at::zeros({static_cast<int64_t>(count), spec.crop_height, spec.crop_width, 3},
                   at::TensorOptions(device_of(net)))
      .permute({0, 3, 1, 2});
}

// As compute_features() and evaluate() do.
void judge_once(ResNet& net, uint32_t count, const PreprocessSpec& spec) {
  const EvaluationMode evaluation(net);
  const c10::InferenceMode inference;
  net.forward(empty_pictures(net, count, spec));
}

void learn_once(const RunContext& run, const Recipe& recipe, uint32_t count) {
  ParameterOptimizer optimizer(recipe, parameter_groups(*run.net, recipe));
  TrainStep step(*run.net, optimizer, recipe, {});
  const at::Tensor class_ids = at::zeros({static_cast<int64_t>(count)}, at::kLong);
  step.accumulate(Stage::Pictures, {empty_pictures(*run.net, count, training_output(run)), class_ids}, {});
  optimizer.zero_gradients();
}

bool passes(const at::Device& device, const std::function<void()>& trial) {
  return guarded("a trial",
                 [&]() -> Status {
                   const CpuRun run(device);
                   trial();
                   return Status::success();
                 })
      .ok();
}

}  // namespace

std::string advice_when_out_of_memory(const RunContext& run) {
  if (!run.net) return "use smaller pictures or a smaller network";
  const Recipe& recipe = run.spec.recipe;
  const bool on_features = recipe.cache == CacheKind::Features && recipe.trainable == Trainable::Head;
  for (uint32_t batch = recipe.batch_size / 2; batch > 0; batch /= 2) {
    const bool fits = passes(device_of(*run.net), [&] {
      judge_once(*run.net, batch, run.card.preprocess);
      if (!on_features) learn_once(run, recipe, batch);
    });
    if (!fits) continue;
    const uint64_t steps = uint64_t{recipe.grad_accum_steps} * ((recipe.batch_size + batch - 1) / batch);
    return "a batch of " + std::to_string(batch) + " would fit: pass --batch-size " + std::to_string(batch) +
           ", with --grad-accum-steps " + std::to_string(steps) + " for steps of as many pictures";
  }
  return "not even a batch of one picture fits: use smaller pictures or a smaller network";
}

}  // namespace resnetft
