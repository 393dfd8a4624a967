// SPDX-License-Identifier: MIT
#include "train/torch/standardized_head.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "device/parallel_run.h"

namespace resnetft {
namespace {

constexpr double kLeastShare = 0.01;  // of the columns' root mean square deviation
constexpr int kPowerSteps = 50;

at::Tensor whole(const FeatureRows& rows) {
  return at::from_blob(rows.store->row(0), {static_cast<int64_t>(rows.class_ids.size()), rows.shape.at(0)}, at::kFloat);
}

// Mean and variance of the rows that hold a picture, summed in their order.
std::pair<at::Tensor, at::Tensor> moments(const FeatureRows& rows) {
  const auto width = static_cast<size_t>(rows.shape.at(0));
  at::Tensor mean = at::zeros({rows.shape.at(0)}, at::kDouble), variance = at::zeros_like(mean);
  double* mean_of = mean.mutable_data_ptr<double>();
  double* variance_of = variance.mutable_data_ptr<double>();
  double count = 0;
  for (size_t row = 0; row < rows.class_ids.size(); ++row) {  // Welford 1962
    if (rows.class_ids[row] == kNoRow) continue;
    ++count;
    for (size_t i = 0; i < width; ++i) {
      const double off = static_cast<double>(rows.store->row(row)[i]) - mean_of[i];
      mean_of[i] += off / count;
      variance_of[i] += off * (static_cast<double>(rows.store->row(row)[i]) - mean_of[i]);
    }
  }
  return {mean, variance / std::max(1.0, count)};
}

void scale_rows(FeatureRows& rows, const FeatureScale& scale) {
  const double* mean = scale.mean.const_data_ptr<double>();
  const double* deviation = scale.deviation.const_data_ptr<double>();
  for (size_t row = 0; row < rows.class_ids.size(); ++row) {
    if (rows.class_ids[row] == kNoRow) continue;
    float* values = rows.store->row(row);
    for (int64_t i = 0; i < rows.shape.at(0); ++i)
      values[i] = static_cast<float>((static_cast<double>(values[i]) - mean[i]) / deviation[i]);
  }
}

// By power iteration. A row without a picture is zeros.
double largest_eigenvalue(const FeatureRows& rows) {
  const ParallelRun parallel;
  const at::Tensor all = whole(rows);
  const double count =
      static_cast<double>(std::ranges::count_if(rows.class_ids, [](int64_t id) { return id != kNoRow; }));
  at::Tensor direction = at::ones({rows.shape.at(0)}) / std::sqrt(static_cast<double>(rows.shape.at(0)));
  double eigenvalue = 0;
  for (int step = 0; step < kPowerSteps; ++step) {
    const at::Tensor next = all.t().mv(all.mv(direction)) / std::max(1.0, count);
    eigenvalue = at::linalg_vector_norm(next).item<double>();
    if (!(eigenvalue > 0)) return 0;
    direction = next / eigenvalue;
  }
  return eigenvalue;
}

}  // namespace

FeatureScale standardize(FeatureRows& rows) {
  const c10::NoGradGuard no_grad;
  FeatureScale scale;
  const auto [mean, variance] = moments(rows);
  scale.mean = mean;
  const double typical = std::sqrt(variance.mean().item<double>());
  scale.deviation = typical > 0 ? variance.sqrt().clamp_min(kLeastShare * typical) : at::ones_like(variance);
  scale_rows(rows, scale);
  scale.smoothness = 0.5 * std::max(1.0, largest_eigenvalue(rows));  // 1: the bias's
  return scale;
}

StandardizedHead::StandardizedHead(ResNet& net, FeatureScale scale) : scale_(std::move(scale)), name_(net.head_name()) {
  const c10::NoGradGuard no_grad;
  const auto parameters = net.named_parameters();
  net_weight_ = parameters[name_ + ".weight"].detach();
  net_bias_ = parameters[name_ + ".bias"].detach();
  const at::Tensor plain = net_weight_.to(at::kCPU, at::kDouble);
  weight_ = (plain * scale_.deviation).to(at::kFloat).contiguous();
  bias_ = (net_bias_.to(at::kCPU, at::kDouble) + plain.mv(scale_.mean)).to(at::kFloat).contiguous();
  for (at::Tensor* learned : {&weight_, &bias_}) learned->set_requires_grad(true);
}

void StandardizedHead::replace_in(std::vector<ParameterGroup>& groups) const {
  for (ParameterGroup& group : groups)
    for (size_t i = 0; i < group.names.size(); ++i) {
      if (group.names[i] == name_ + ".weight") group.parameters[i] = weight_;
      if (group.names[i] == name_ + ".bias") group.parameters[i] = bias_;
    }
}

void StandardizedHead::write_to_net() const {
  const c10::NoGradGuard no_grad;
  const at::Tensor plain = weight_.to(at::kDouble) / scale_.deviation;
  net_weight_.copy_(plain);
  net_bias_.copy_(bias_.to(at::kDouble) - plain.mv(scale_.mean));
}

}  // namespace resnetft
