// SPDX-License-Identifier: MIT
#include "train/torch/step.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <optional>

#include "train/torch/cpu_run.h"
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

at::Tensor mean_and_correct(const at::Tensor& loss, const at::Tensor& logits, const at::Tensor& class_ids) {
  const at::Tensor correct = logits.detach().argmax(1).eq(class_ids).sum();
  return at::stack({loss.detach().to(at::kDouble), correct.to(at::kDouble)});
}

// Rows whose largest value, the first of equals, is the truth's. A step on features takes no longer than a few
// operators of LibTorch do.
int64_t count_correct(const at::Tensor& logits, const at::Tensor& class_ids) {
  const at::Tensor rows = logits.contiguous();
  const int64_t classes = rows.size(1);
  const float* row = rows.const_data_ptr<float>();
  const int64_t* truths = class_ids.const_data_ptr<int64_t>();
  int64_t correct = 0;
  for (int64_t i = 0; i < rows.size(0); ++i, row += classes) {
    const int64_t truth = truths[i];
    bool is_beaten = false;
    for (int64_t c = 0; c < truth; ++c) is_beaten |= row[c] >= row[truth];
    for (int64_t c = truth + 1; c < classes; ++c) is_beaten |= row[c] > row[truth];
    correct += is_beaten ? 0 : 1;
  }
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

StepSums BatchSums::value() const {
  if (!coming_) return ready_;
  const double* values = coming_->value().const_data_ptr<double>();
  return {values[0] * static_cast<double>(ready_.images), static_cast<int64_t>(values[1]), ready_.images};
}

TrainStep::TrainStep(ResNet& net, ParameterOptimizer& optimizer, const Recipe& recipe, LossSpec loss,
                     AllReduce all_reduce, const StepParts& parts)
    : net_(net),
      optimizer_(optimizer),
      recipe_(recipe),
      loss_(std::move(loss)),
      all_reduce_(std::move(all_reduce)),
      scaler_(parts.scaler),
      sums_(recipe.grad_accum_steps > 1 || all_reduce_),
      unit_(parts.scaler ? static_cast<double>(recipe.batch_size) * recipe.grad_accum_steps : 1) {
  const auto parameters = net.named_parameters();
  head_weight_ = parts.head ? parts.head->weight() : parameters[net.head_name() + ".weight"];
  head_bias_ = parts.head ? parts.head->bias() : parameters[net.head_name() + ".bias"];
  classes_ = head_bias_.size(0);
  if (loss_.class_weights.defined()) loss_.class_weights = loss_.class_weights.to(head_bias_.device());
}

BatchSums TrainStep::accumulate(Stage stage, TrainBatch batch, const MixDraw& mix) {
  if (batch.class_ids.size(0) == 0) return {};
  const CpuRun run(batch.input.device());
  at::Tensor targets = batch.class_ids;
  if (mix.kind != MixKind::None) {
    if (!batch.is_mixed) mix_pictures(mix, batch.input);
    targets = mixed_targets(mix, batch.class_ids, classes_);
  }
  if (stage == Stage::Features) return in_closed_form(batch.input, targets, batch.class_ids);
  const at::Device device = batch.input.device();
  const at::Tensor class_ids = sent_to(device, batch.class_ids);
  return by_autograd(stage, batch.input, targets.is_same(batch.class_ids) ? class_ids : sent_to(device, targets),
                     class_ids);
}

BatchSums TrainStep::by_autograd(Stage stage, const at::Tensor& input, const at::Tensor& targets,
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
  BatchSums sums(mean_and_correct(loss, logits, class_ids), count);
  if (!loss.is_cpu())
    note_not_finite(loss);
  else if (!std::isfinite(sums.value().loss))
    return sums;
  const at::Tensor total = sums_ ? loss * (static_cast<double>(count) / unit_) : loss;
  (scaler_ ? scaler_->scaled(total) : total).backward();
  images_ += count;
  return sums;
}

BatchSums TrainStep::in_closed_form(const at::Tensor& features, const at::Tensor& targets,
                                    const at::Tensor& class_ids) {
  const c10::NoGradGuard no_grad;
  const int64_t count = class_ids.size(0);
  HeadGradients gradients = head_gradients(features, head_weight_, head_bias_, targets, loss_);
  BatchSums sums(StepSums{gradients.loss.item<double>() * static_cast<double>(count),
                          count_correct(gradients.logits, class_ids), count});
  if (!std::isfinite(sums.value().loss)) return sums;
  if (sums_) {
    gradients.weight.mul_(static_cast<double>(count) / unit_);
    gradients.bias.mul_(static_cast<double>(count) / unit_);
  }
  add_gradient(head_weight_, gradients.weight);
  add_gradient(head_bias_, gradients.bias);
  images_ += count;
  return sums;
}

void TrainStep::note_not_finite(const at::Tensor& loss) {
  const at::Tensor is_so = loss.detach().isfinite().logical_not().to(at::kFloat).reshape({1});
  not_finite_ = not_finite_ ? at::maximum(*not_finite_, is_so) : is_so;
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
  if (images_ > 0) {
    const std::optional<at::Tensor> skip = scaler_ ? scaler_->unscale(gradients) : not_finite_;
    if (sums_ && !gradients.empty()) at::_foreach_div_(gradients, static_cast<double>(images_) / unit_);
    if (recipe_.clip_grad_norm > 0) clip_gradients(gradients, recipe_.clip_grad_norm);
    optimizer_.step(learning_rate, skip);
  }
  abandon();
}

void TrainStep::abandon() {
  optimizer_.zero_gradients();
  not_finite_.reset();
  images_ = 0;
}

}  // namespace resnetft
