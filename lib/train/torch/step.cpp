// SPDX-License-Identifier: MIT
#include "train/torch/step.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "device/parallel_run.h"
#include "train/torch/parameters.h"

namespace resnetft {
namespace {

// Convolutions and matrix products in 16 bits while it lives (torch.autocast).
class Autocast {
 public:
  Autocast(TrainPrecision precision, at::DeviceType device)
      : on_(precision == TrainPrecision::Bf16 || precision == TrainPrecision::Fp16), device_(device) {
    if (!on_) return;
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, precision == TrainPrecision::Bf16 ? at::kBFloat16 : at::kHalf);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_;
  at::DeviceType device_;
};

int64_t count_correct(const at::Tensor& logits, const at::Tensor& class_ids) {
  const at::Tensor rows = logits.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* row = rows.const_data_ptr<float>();
  const int64_t* truth = class_ids.const_data_ptr<int64_t>();
  const int64_t classes = rows.size(1);
  int64_t correct = 0;
  for (int64_t i = 0; i < rows.size(0); ++i, row += classes)
    correct += std::max_element(row, row + classes) - row == truth[i];
  return correct;
}

void add_gradient(at::Tensor& parameter, const at::Tensor& gradient) {
  if (parameter.grad().defined())
    parameter.mutable_grad().add_(gradient);
  else
    parameter.mutable_grad() = gradient;
}

}  // namespace

at::Tensor logits_from(const ResNet& net, Stage stage, const at::Tensor& input) {
  if (stage == Stage::Pictures) return net.forward(input);
  return net.logits(stage == Stage::LastStage ? net.last_stage(input) : input);
}

TrainStep::TrainStep(ResNet& net, ParameterOptimizer& optimizer, const Recipe& recipe, LossSpec loss,
                     AllReduce all_reduce, const StepParts& parts)
    : net_(net),
      optimizer_(optimizer),
      recipe_(recipe),
      loss_(std::move(loss)),
      all_reduce_(std::move(all_reduce)),
      scaler_(parts.scaler),
      sums_(recipe.grad_accum_steps > 1 || all_reduce_) {
  const auto parameters = net.named_parameters();
  head_weight_ = parts.head ? parts.head->weight() : parameters[net.head_name() + ".weight"];
  head_bias_ = parts.head ? parts.head->bias() : parameters[net.head_name() + ".bias"];
  classes_ = head_bias_.size(0);
  if (loss_.class_weights.defined()) loss_.class_weights = loss_.class_weights.to(head_bias_.device());
}

StepSums TrainStep::accumulate(Stage stage, TrainBatch batch, const MixDraw& mix) {
  if (batch.class_ids.size(0) == 0) return {};
  const ParallelRun parallel;
  at::Tensor targets = batch.class_ids;
  if (mix.kind != MixKind::None) {
    if (!batch.is_mixed) mix_pictures(mix, batch.input);
    targets = mixed_targets(mix, batch.class_ids, classes_);
  }
  targets = targets.to(batch.input.device());
  return stage == Stage::Features ? in_closed_form(batch.input, targets, batch.class_ids)
                                  : by_autograd(stage, batch.input, targets, batch.class_ids);
}

StepSums TrainStep::by_autograd(Stage stage, const at::Tensor& input, const at::Tensor& targets,
                                const at::Tensor& class_ids) {
  const int64_t count = class_ids.size(0);
  std::optional<EvaluationMode> running_statistics;
  if (count == 1) running_statistics.emplace(net_);
  at::Tensor logits;
  {
    const Autocast autocast(recipe_.precision, input.device().type());
    logits = logits_from(net_, stage, input);
  }
  const at::Tensor loss = cross_entropy(logits.to(at::kFloat), targets, loss_);
  const double mean = loss.item<double>();
  const StepSums sums{mean * static_cast<double>(count), count_correct(logits, class_ids), count};
  if (!std::isfinite(mean)) return sums;
  const at::Tensor total = sums_ ? loss * static_cast<double>(count) : loss;
  (scaler_ ? scaler_->scaled(total) : total).backward();
  images_ += count;
  return sums;
}

StepSums TrainStep::in_closed_form(const at::Tensor& features, const at::Tensor& targets, const at::Tensor& class_ids) {
  const c10::NoGradGuard no_grad;
  const int64_t count = class_ids.size(0);
  HeadGradients gradients = head_gradients(features, head_weight_, head_bias_, targets, loss_);
  const double mean = gradients.loss.item<double>();
  const StepSums sums{mean * static_cast<double>(count), count_correct(gradients.logits, class_ids), count};
  if (!std::isfinite(mean)) return sums;
  if (sums_) {
    gradients.weight.mul_(static_cast<double>(count));
    gradients.bias.mul_(static_cast<double>(count));
  }
  add_gradient(head_weight_, gradients.weight);
  add_gradient(head_bias_, gradients.bias);
  images_ += count;
  return sums;
}

void TrainStep::apply(double learning_rate) {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients = optimizer_.gradients();
  if (all_reduce_) {
    gradients.push_back(at::scalar_tensor(static_cast<double>(images_), at::kDouble));
    all_reduce_(gradients);
    images_ = static_cast<int64_t>(gradients.back().item<double>());
    gradients.pop_back();
  }
  if (images_ > 0 && (!scaler_ || scaler_->unscale(gradients))) {
    if (sums_)
      for (at::Tensor& gradient : gradients) gradient.div_(static_cast<double>(images_));
    if (recipe_.clip_grad_norm > 0) clip_gradients(gradients, recipe_.clip_grad_norm);
    optimizer_.step(learning_rate);
  }
  abandon();
}

void TrainStep::abandon() {
  optimizer_.zero_gradients();
  images_ = 0;
}

}  // namespace resnetft
