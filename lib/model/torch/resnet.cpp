// SPDX-License-Identifier: MIT
// The leaves (convolution, normalisation, head) are our own: torch::nn's draw random numbers whenever they are built,
// also when weights from a file overwrite them, which takes longer than reading the file.
#include "model/torch/resnet.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <cmath>
#include <string>

#include "model/normalization.h"

namespace resnetft {

// Without bias; pads so that stride 1 keeps the size.
class Convolution : public torch::nn::Module {
 public:
  Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups = 1)
      : stride_(stride), padding_(kernel / 2), groups_(groups) {
    weight = register_parameter("weight", at::empty({out, in / groups, kernel, kernel}));
  }
  at::Tensor forward(const at::Tensor& x) const {
    return at::conv2d(x, weight, {}, {stride_, stride_}, {padding_, padding_}, {1, 1}, groups_);
  }
  at::Tensor weight;

 private:
  int64_t stride_, padding_, groups_;
};

// Every kind of normalisation, over the channels of [N, C, H, W].
class NormLayer : public torch::nn::Module {
 public:
  NormLayer(int64_t channels, Normalization normalization) : normalization_(normalization) {
    weight_ = register_parameter("weight", at::ones({channels}));
    bias_ = register_parameter("bias", at::zeros({channels}));
    if (!has_running_statistics(normalization)) {
      groups_ = normalization_groups(normalization, channels);
      return;
    }
    running_mean_ = register_buffer("running_mean", at::zeros({channels}));
    running_var_ = register_buffer("running_var", at::ones({channels}));
  }
  at::Tensor forward(const at::Tensor& x) const {
    if (groups_ > 0) return at::group_norm(x, groups_, weight_, bias_, kNormalizationEpsilon);
    const bool learns = estimates_ || (is_training() && normalization_ == Normalization::Batch);
    return at::batch_norm(x, weight_, bias_, running_mean_, running_var_, learns, momentum_, kNormalizationEpsilon,
                          /*cudnn_enabled=*/true);
  }
  void estimate(double momentum) {
    estimates_ = momentum > 0;
    momentum_ = estimates_ ? momentum : kMomentum;
  }

 private:
  static constexpr double kMomentum = 0.1;
  Normalization normalization_;
  int64_t groups_ = 0;  // 0: batch statistics
  bool estimates_ = false;
  double momentum_ = kMomentum;
  at::Tensor weight_, bias_, running_mean_, running_var_;
};

class LinearHead : public torch::nn::Module {
 public:
  LinearHead(int64_t in, int64_t out) {
    weight = register_parameter("weight", at::empty({out, in}));
    bias = register_parameter("bias", at::empty({out}));
  }
  at::Tensor forward(const at::Tensor& x) const { return at::linear(x, weight, bias); }
  at::Tensor weight, bias;
};

// The 1x1 convolution and normalisation of a shortcut whose shape changes, registered as "0" and "1".
class Projection : public torch::nn::Module {
 public:
  Projection(int64_t in, int64_t out, int64_t stride, Normalization normalization) {
    convolution_ = register_module("0", std::make_shared<Convolution>(in, out, 1, stride));
    norm_ = register_module("1", std::make_shared<NormLayer>(out, normalization));
  }
  at::Tensor forward(const at::Tensor& x) const { return norm_->forward(convolution_->forward(x)); }

 private:
  std::shared_ptr<Convolution> convolution_;
  std::shared_ptr<NormLayer> norm_;
};

struct BlockShape {
  int64_t in;
  int64_t planes;
  int64_t out;
  int64_t stride;
};

// Convolutions conv1, conv2 ... each followed by its normalisation, and a shortcut past them.
class ResidualBlock : public torch::nn::Module {
 public:
  ResidualBlock(const Architecture& architecture, const BlockShape& shape, Normalization normalization)
      : normalization_(normalization), grow_(shape.out - shape.in), stride_(shape.stride) {
    if (architecture.block == BlockKind::Bottleneck) {
      const int64_t width = shape.planes * architecture.width_per_group / 64 * architecture.groups;
      add(shape.in, width, 1, 1);
      add(width, width, 3, shape.stride, architecture.groups);
      add(width, shape.out, 1, 1);
    } else {
      add(shape.in, shape.planes, 3, shape.stride);
      add(shape.planes, shape.out, 3, 1);
    }
    if (architecture.block != BlockKind::Cifar && (stride_ > 1 || grow_ > 0))
      downsample_ =
          register_module("downsample", std::make_shared<Projection>(shape.in, shape.out, shape.stride, normalization));
  }

  at::Tensor forward(const at::Tensor& x) const {
    at::Tensor y = x;
    for (size_t i = 0; i < convolutions_.size(); ++i) {
      if (i > 0) y = y.relu_();
      y = norms_[i]->forward(convolutions_[i]->forward(y));
    }
    return y.add_(shortcut(x)).relu_();
  }

 private:
  void add(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups = 1) {
    const std::string number = std::to_string(convolutions_.size() + 1);
    convolutions_.push_back(
        register_module("conv" + number, std::make_shared<Convolution>(in, out, kernel, stride, groups)));
    norms_.push_back(register_module("bn" + number, std::make_shared<NormLayer>(out, normalization_)));
  }

  at::Tensor shortcut(const at::Tensor& x) const {
    if (downsample_) return downsample_->forward(x);
    if (stride_ == 1 && grow_ == 0) return x;
    // Option A (He 2016a, section 4.2): every second pixel, and channels of zeros on both sides.
    const at::Tensor sampled = x.slice(2, 0, std::nullopt, stride_).slice(3, 0, std::nullopt, stride_);
    return at::constant_pad_nd(sampled, {0, 0, 0, 0, grow_ / 2, grow_ - grow_ / 2});
  }

  Normalization normalization_;
  int64_t grow_, stride_;
  std::vector<std::shared_ptr<Convolution>> convolutions_;
  std::vector<std::shared_ptr<NormLayer>> norms_;
  std::shared_ptr<Projection> downsample_;
};

ResNet::ResNet(const Architecture& architecture, int64_t num_classes, Normalization normalization)
    : pools_first_(architecture.block != BlockKind::Cifar) {
  const int64_t base = pools_first_ ? 64 : 16;
  conv1_ = register_module("conv1", pools_first_ ? std::make_shared<Convolution>(3, base, 7, 2)
                                                 : std::make_shared<Convolution>(3, base, 3, 1));
  bn1_ = register_module("bn1", std::make_shared<NormLayer>(base, normalization));
  int64_t channels = base;
  for (size_t stage = 0; stage < architecture.depths.size(); ++stage) {
    if (architecture.depths[stage] == 0) continue;
    const int64_t planes = base << stage;
    const int64_t out = architecture.block == BlockKind::Bottleneck ? planes * 4 : planes;
    last_stage_name_ = "layer" + std::to_string(stage + 1);
    last_stage_begin_ = blocks_.size();
    auto layer = register_module(last_stage_name_, std::make_shared<torch::nn::Module>());
    for (int i = 0; i < architecture.depths[stage]; ++i) {
      const BlockShape shape{channels, planes, out, stage > 0 && i == 0 ? 2 : 1};
      blocks_.push_back(layer->register_module(std::to_string(i),
                                               std::make_shared<ResidualBlock>(architecture, shape, normalization)));
      channels = out;
    }
  }
  head_ = register_module(head_name(), std::make_shared<LinearHead>(channels, num_classes));
}

// A hook of the tensor's is called once its gradient is known: before the backward pass of the block that made it.
const at::Tensor& ResNet::paused(const at::Tensor& x) const {
  if (!pause_hook_) return x;
  pause_hook_();
  if (x.requires_grad() && x.is_cpu()) x.register_hook([this](const at::Tensor&) { pause_hook_(); });
  return x;
}

at::Tensor ResNet::before_last_stage(const at::Tensor& pictures) const {
  at::Tensor x = bn1_->forward(conv1_->forward(pictures)).relu_();
  if (pools_first_) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  paused(x);
  for (size_t i = 0; i < last_stage_begin_; ++i) x = paused(blocks_[i]->forward(x));
  return x;
}

at::Tensor ResNet::last_stage(const at::Tensor& input) const {
  at::Tensor x = input;
  for (size_t i = last_stage_begin_; i < blocks_.size(); ++i) x = paused(blocks_[i]->forward(x));
  return x.mean({2, 3});
}

at::Tensor ResNet::features(const at::Tensor& pictures) const { return last_stage(before_last_stage(pictures)); }

void ResNet::estimate_statistics(double momentum) {
  for (const std::shared_ptr<torch::nn::Module>& module : modules(false))
    if (const auto norm = std::dynamic_pointer_cast<NormLayer>(module)) norm->estimate(momentum);
}

at::Tensor ResNet::logits(const at::Tensor& features) const { return head_->forward(features); }

void ResNet::draw_initial_weights(const std::optional<at::Generator>& generator) {
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> convolutions;
  for (const std::shared_ptr<torch::nn::Module>& module : modules(false))
    if (const auto convolution = std::dynamic_pointer_cast<Convolution>(module))
      convolutions.push_back(convolution->weight);
  // torchvision draws every weight when it builds a layer, then the convolutions' again. One step of the generator a
  // number: the values of the first round are overwritten and only their count matters.
  for (at::Tensor& weight : convolutions) weight.uniform_(0, 1, generator);
  const double bound = 1.0 / std::sqrt(static_cast<double>(head_->weight.size(1)));
  head_->weight.uniform_(-bound, bound, generator);
  head_->bias.uniform_(-bound, bound, generator);
  for (at::Tensor& weight : convolutions) {
    const int64_t fan_out = weight.size(0) * weight.size(2) * weight.size(3);
    weight.normal_(0.0, std::sqrt(2.0 / static_cast<double>(fan_out)), generator);
  }
}

}  // namespace resnetft
