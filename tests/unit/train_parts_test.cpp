// SPDX-License-Identifier: MIT
// The parts of the trainer against PyTorch's Python: 20 steps each, within 1e-5 of the largest value.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "tests/support/training_values.h"
#include "train/torch/ema.h"
#include "train/torch/loss.h"
#include "train/torch/mix.h"
#include "train/torch/optimizer.h"
#include "train/torch/parameters.h"
#include "train/torch/process_flags.h"
#include "train/torch/step.h"

namespace resnetft {
namespace {

using testing::rule_values;
using testing::training_values;

constexpr int kSteps = 20;
constexpr double kTolerance = 1e-5;

at::Tensor rule(at::IntArrayRef shape, int step, double salt) {
  const at::Tensor tensor = at::empty(shape);
  const std::vector<float> values = rule_values(static_cast<size_t>(tensor.numel()), step, salt);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<float>());
  return tensor;
}

void expect_near(const at::Tensor& tensor, const std::vector<double>& wanted, const std::string& what,
                 double tolerance = kTolerance) {
  const at::Tensor got = tensor.detach().to(at::kDouble).flatten().contiguous();
  ASSERT_EQ(static_cast<size_t>(got.numel()), wanted.size()) << what;
  double largest = 0, worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::abs(wanted[i]));
    worst = std::max(worst, std::abs(got[static_cast<int64_t>(i)].item<double>() - wanted[i]));
  }
  EXPECT_LE(worst, tolerance * largest) << what;
}

TEST(TrainParts, EveryOptimiserIsTorchs) {
  const nlohmann::json values = training_values().at("optimizers");
  for (const char* name : {"sgd", "sgd-nesterov", "adam", "adamw"}) {
    Recipe recipe;
    ASSERT_TRUE(set_recipe_option(recipe, "opt", name).ok());
    at::Tensor a = rule({3, 4}, 0, 0.0).requires_grad_(), b = rule({5}, 0, 0.5).requires_grad_();
    ParameterOptimizer optimizer(recipe, {{0.05, 1, {"a"}, {a}}, {0, 0.5, {"b"}, {b}}});
    for (int step = 0; step < kSteps; ++step) {
      a.mutable_grad() = rule({3, 4}, step + 1, 1.0);
      b.mutable_grad() = rule({5}, step + 1, 2.0);
      optimizer.step(0.1);
    }
    expect_near(a, values.at(name).at("a"), name);
    expect_near(b, values.at(name).at("b"), name);
  }
}

TEST(TrainParts, WithoutMomentumSgdIsTheGradientTimesTheRate) {
  for (const Optimizer kind : {Optimizer::Sgd, Optimizer::SgdNesterov}) {
    Recipe recipe;
    recipe.opt = kind;
    recipe.momentum = 0;
    at::Tensor parameter = at::ones({3});
    ParameterOptimizer optimizer(recipe, {{0, 1, {"p"}, {parameter}}});
    for (int step = 0; step < 2; ++step) {
      parameter.mutable_grad() = at::full({3}, 0.5);
      optimizer.step(0.5);
    }
    EXPECT_TRUE(at::equal(parameter, at::full({3}, 0.5)));
  }
}

TEST(TrainParts, AnOptimiserGoesOnFromItsStateToTheBit) {
  for (const char* name : {"sgd", "sgd-nesterov", "adam", "adamw"}) {
    Recipe recipe;
    ASSERT_TRUE(set_recipe_option(recipe, "opt", name).ok());
    at::Tensor whole = rule({9}, 0, 0.0), resumed = whole.clone();
    ParameterOptimizer first(recipe, {{0.1, 1, {"p"}, {whole}}});
    std::optional<ParameterOptimizer> second;
    second.emplace(recipe, std::vector<ParameterGroup>{{0.1, 1, {"p"}, {resumed}}});
    for (int step = 0; step < kSteps; ++step) {
      if (step == 7) {
        ParameterOptimizer next(recipe, {{0.1, 1, {"p"}, {resumed}}});
        const auto state = second->state();
        for (auto& [key, tensor] : next.state()) at::Tensor(tensor).copy_(state.at(key));
        second.emplace(next);
      }
      for (at::Tensor* tensor : {&whole, &resumed}) tensor->mutable_grad() = rule({9}, step, 1.0);
      first.step(0.05);
      second->step(0.05);
    }
    EXPECT_TRUE(at::equal(whole, resumed)) << name;
  }
}

struct LossCase {
  const char* name;
  bool soft;
  double smoothing;
  bool weighed;
};
constexpr LossCase kLosses[] = {{"plain", false, 0, false},  {"smoothed", false, 0.1, false},
                                {"weighed", false, 0, true}, {"weighed-smoothed", false, 0.1, true},
                                {"soft", true, 0, false},    {"soft-weighed-smoothed", true, 0.1, true}};

// The script's head, and what it is trained on.
struct HeadTask {
  at::Tensor features = rule({5, 6}, 0, 3.0);
  at::Tensor targets;
  LossSpec loss;
  at::Tensor weight = rule({4, 6}, 0, 5.0), bias = rule({4}, 0, 6.0);
  explicit HeadTask(const LossCase& c) : loss{c.smoothing} {
    targets = c.soft ? rule({5, 4}, 0, 4.0).softmax(1) : at::tensor({0, 3, 1, 1, 2}, at::kLong);
    if (c.weighed) loss.class_weights = at::tensor({0.5f, 2.0f, 1.0f, 0.25f});
  }
};

TEST(TrainParts, EveryLossIsTorchsByAutogradAndInClosedForm) {
  const nlohmann::json values = training_values().at("losses");
  for (const LossCase& c : kLosses) {
    const nlohmann::json wanted = values.at(c.name);
    for (const bool closed : {false, true}) {
      HeadTask task(c);
      std::vector<float> losses;
      for (int step = 0; step < kSteps; ++step) {
        if (closed) {
          const HeadGradients gradients =
              head_gradients(task.features, task.weight, task.bias, task.targets, task.loss);
          losses.push_back(gradients.loss.item<float>());
          task.weight.sub_(gradients.weight, 0.5);
          task.bias.sub_(gradients.bias, 0.5);
          continue;
        }
        at::Tensor weight = task.weight.clone().requires_grad_(), bias = task.bias.clone().requires_grad_();
        const at::Tensor loss = cross_entropy(at::linear(task.features, weight, bias), task.targets, task.loss);
        loss.backward();
        losses.push_back(loss.item<float>());
        task.weight.sub_(weight.grad(), 0.5);
        task.bias.sub_(bias.grad(), 0.5);
      }
      const std::string what = std::string(c.name) + (closed ? " closed" : " autograd");
      expect_near(at::tensor(losses), wanted.at("losses"), what);
      expect_near(task.weight, wanted.at("weight"), what);
      expect_near(task.bias, wanted.at("bias"), what);
    }
  }
}

TEST(TrainParts, TheClosedFormIsAutogradsWithin1e6) {
  for (const LossCase& c : kLosses) {
    HeadTask task(c);
    at::Tensor weight = task.weight.clone().requires_grad_(), bias = task.bias.clone().requires_grad_();
    cross_entropy(at::linear(task.features, weight, bias), task.targets, task.loss).backward();
    const HeadGradients closed = head_gradients(task.features, task.weight, task.bias, task.targets, task.loss);
    EXPECT_LE((closed.weight - weight.grad()).abs().max().item<double>(), 1e-6) << c.name;
    EXPECT_LE((closed.bias - bias.grad()).abs().max().item<double>(), 1e-6) << c.name;
  }
}

TEST(TrainParts, ClassWeightsAreThoseWorkedOutByHand) {
  EXPECT_TRUE(class_weights(ClassWeights::None, std::vector<size_t>{1, 2}).empty());
  // 1/1, 1/3: sum 4/3 over two classes, so 2 / (4/3) times each; the class without pictures weighs 1.
  const std::vector<float> inverse = class_weights(ClassWeights::Inverse, std::vector<size_t>{1, 3, 0});
  EXPECT_FLOAT_EQ(inverse[0], 1.5f);
  EXPECT_FLOAT_EQ(inverse[1], 0.5f);
  EXPECT_FLOAT_EQ(inverse[2], 1.0f);
  const std::vector<float> effective = class_weights(ClassWeights::Effective, std::vector<size_t>{1, 1000});
  const double rare = 1, common = 0.001 / (1 - std::pow(0.999, 1000));
  EXPECT_NEAR(effective[0], 2 * rare / (rare + common), 1e-6);
  EXPECT_NEAR(effective[1], 2 * common / (rare + common), 1e-6);
}

TEST(TrainParts, AveragingIsTorchvisionsAndTheWarmRule) {
  const nlohmann::json values = training_values();
  Recipe rescaled;
  rescaled.model_ema_decay = 0.99;
  rescaled.batch_size = 8;
  rescaled.model_ema_steps = 2;
  rescaled.epochs = 10;
  for (const auto& [name, recipe] : {std::pair<const char*, Recipe>{"rescaled", rescaled}, {"warm", Recipe()}}) {
    at::Tensor parameter = rule({7}, 0, 7.0);
    WeightAverage average({{"p", parameter}});
    for (int step = 0; step < kSteps; ++step) {
      parameter.copy_(rule({7}, step + 1, 7.0));
      average.update(ema_keep(recipe, static_cast<uint64_t>(step)));
    }
    expect_near(average.tensors().at("p"), values.at("averages").at(name), name);
  }
  for (const nlohmann::json& row : values.at("decays")) {
    Recipe recipe;
    recipe.model_ema_decay = row.at("decay");
    recipe.batch_size = row.at("batch");
    recipe.model_ema_steps = row.at("steps");
    recipe.epochs = row.at("epochs");
    EXPECT_NEAR(ema_keep(recipe, 1), row.at("keep").get<double>(), 1e-9);
  }
  EXPECT_EQ(ema_keep(Recipe(), 1'000'000), 0.9998);
}

TEST(TrainParts, ClippingIsTorchs) {
  const nlohmann::json values = training_values().at("clipping");
  for (int step = 0; step < kSteps; ++step) {
    const nlohmann::json& wanted = values.at(static_cast<size_t>(step));
    const at::Tensor a = rule({3, 4}, step, 8.0).mul_((step + 1) / 4.0), b = rule({5}, step, 9.0);
    const double norm = wanted.at("norm");
    EXPECT_NEAR(clip_gradients({a, b}, 2.0).item<double>(), norm, 1e-5 * norm);
    expect_near(a, wanted.at("a"), "a");
    expect_near(b, wanted.at("b"), "b");
  }
}

// As the script fills the CIFAR net: convolutions and the head from the rule, in the order of their registration.
void fill_from_rule(ResNet& net) {
  const c10::NoGradGuard no_grad;
  int index = 0;
  for (at::Tensor& parameter : net.parameters()) {
    if (parameter.dim() > 1) {
      const double fan_in = static_cast<double>(parameter[0].numel());
      parameter.copy_(rule(parameter.sizes(), index, 0.0).mul_(std::sqrt(2 / fan_in)));
    }
    ++index;
  }
  net.named_parameters()["linear.bias"].zero_();
}

// In double, so that the rounding of deep nets hides nothing.
TEST(TrainParts, GradientsOfEveryBlockKindArePythons) {
  const nlohmann::json values = training_values().at("gradients");
  ASSERT_EQ(values.size(), 4u);
  for (const auto& [name, wanted] : values.items()) {
    const Architecture architecture = *find_architecture(name);
    at::manual_seed(1);
    ResNet net(architecture, 5, Normalization::Batch);
    net.draw_initial_weights();
    if (architecture.block == BlockKind::Cifar) fill_from_rule(net);
    net.to(at::kDouble);
    const at::Tensor pictures =
        rule({2, 3, 64, 64}, 0, 0.25).to(at::kDouble).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor loss = cross_entropy(net.forward(pictures), at::tensor({1, 3}, at::kLong), {});
    loss.backward();
    EXPECT_NEAR(loss.item<double>(), wanted.at("loss").get<double>(), 1e-6) << name;
    const auto parameters = net.named_parameters();
    for (const auto& [key, gradient] : wanted.at("gradients").items()) {
      const at::Tensor got = parameters[key].grad();
      const double norm = gradient.at("norm");
      const std::vector<double> first = gradient.at("first");
      EXPECT_NEAR(got.norm().item<double>(), norm, 1e-5 * norm) << name << " " << key;
      for (size_t i = 0; i < first.size(); ++i)
        EXPECT_NEAR(got.flatten()[static_cast<int64_t>(i)].item<double>(), first[i], 1e-5 * norm) << name << " " << key;
    }
  }
}

TEST(TrainParts, MixedTargetsAndPicturesAreThoseWorkedOutByHand) {
  at::Tensor pictures = at::arange(2 * 4, at::kFloat).reshape({2, 1, 2, 2});
  const at::Tensor ids = at::tensor({0, 2}, at::kLong);
  const MixDraw mixup{MixKind::Mixup, 0.75}, box{MixKind::CutMix, 0.5, 1, 0, 2, 2};
  mix_pictures(mixup, pictures);
  const at::Tensor targets = mixed_targets(mixup, ids, 3);
  EXPECT_TRUE(at::allclose(targets, at::tensor({0.75, 0.0, 0.25, 0.25, 0.0, 0.75}).reshape({2, 3}).to(at::kFloat)));
  // 0.75 * 0 + 0.25 * 4 and so on.
  EXPECT_TRUE(at::allclose(pictures.flatten(), at::tensor({1., 2., 3., 4., 3., 4., 5., 6.}).to(at::kFloat)));
  at::Tensor cut = at::arange(2 * 4, at::kFloat).reshape({2, 1, 2, 2});
  mix_pictures(box, cut);
  const at::Tensor shares = mixed_targets(box, ids, 3);
  EXPECT_TRUE(at::allclose(shares[0], at::tensor({0.5, 0.0, 0.5}).to(at::kFloat)));
  EXPECT_TRUE(at::equal(cut.flatten(), at::tensor({0., 5., 2., 7., 4., 1., 6., 3.}).to(at::kFloat)));
}

TEST(TrainParts, APictureIsMixedAsItIsInABatch) {
  for (const MixDraw& draw : {MixDraw{MixKind::Mixup, 0.3}, MixDraw{MixKind::CutMix, 0.5, 1, 2, 4, 5}, MixDraw{}}) {
    const at::Tensor plain = at::randn({2, 6, 5, 3});  // [N, H, W, C]
    at::Tensor batch = plain.clone().permute({0, 3, 1, 2});
    mix_pictures(draw, batch);
    at::Tensor one = plain[1].clone();
    mix_picture(draw, {plain[0].const_data_ptr<float>(), 90}, {one.mutable_data_ptr<float>(), 90}, 5);
    EXPECT_TRUE(at::allclose(one, batch[1].permute({1, 2, 0}), 1e-6, 1e-6)) << static_cast<int>(draw.kind);
  }
}

TEST(TrainParts, ABoxKeepsTheShareThatItsTargetsSay) {
  Recipe recipe;
  recipe.cutmix_alpha = 1;
  double sum = 0;
  for (uint32_t batch = 0; batch < 200; ++batch) {
    const MixDraw draw = draw_mix(recipe, 3, batch, 40, 20);
    ASSERT_EQ(draw.kind, MixKind::CutMix);
    ASSERT_TRUE(0 <= draw.x1 && draw.x1 <= draw.x2 && draw.x2 <= 40 && 0 <= draw.y1 && draw.y2 <= 20);
    EXPECT_DOUBLE_EQ(draw.keep, 1 - static_cast<double>((draw.x2 - draw.x1) * (draw.y2 - draw.y1)) / 800);
    sum += draw.keep;
    const MixDraw again = draw_mix(recipe, 3, batch, 40, 20);
    EXPECT_EQ(again.keep, draw.keep);
  }
  EXPECT_GT(sum / 200, 0.5);  // boxes are cut at the border
  recipe.mixup_alpha = 0.2;
  int mixups = 0;
  for (uint32_t batch = 0; batch < 200; ++batch) mixups += draw_mix(recipe, 0, batch, 8, 8).kind == MixKind::Mixup;
  EXPECT_GT(mixups, 60);
  EXPECT_LT(mixups, 140);
}

TEST(TrainParts, GroupsHoldTheDecayOfTheirKindAndTheRateOfTheirDepth) {
  ResNet net(*find_architecture("resnet18"), 3, Normalization::Batch);
  Recipe recipe;
  recipe.trainable = Trainable::All;
  recipe.weight_decay = 0.1;
  recipe.norm_weight_decay = 0.2;
  recipe.bias_weight_decay = 0.3;
  recipe.layer_decay = 0.5;
  std::map<std::string, std::pair<double, double>> found;
  size_t parameters = 0;
  for (const ParameterGroup& group : parameter_groups(net, recipe))
    for (const std::string& name : group.names) {
      found[name] = {group.weight_decay, group.rate_share};
      ++parameters;
    }
  EXPECT_EQ(parameters, net.parameters().size());
  using Pair = std::pair<double, double>;
  EXPECT_EQ(found.at("fc.weight"), (Pair{0.1, 1}));
  EXPECT_EQ(found.at("fc.bias"), (Pair{0.3, 1}));
  EXPECT_EQ(found.at("layer4.1.conv1.weight"), (Pair{0.1, 0.5}));
  EXPECT_EQ(found.at("layer1.0.bn2.weight"), (Pair{0.2, std::pow(0.5, 8)}));
  EXPECT_EQ(found.at("layer2.0.downsample.1.bias"), (Pair{0.3, std::pow(0.5, 6)}));
  EXPECT_EQ(found.at("conv1.weight"), (Pair{0.1, std::pow(0.5, 9)}));
  recipe.trainable = Trainable::Layer4;
  freeze(net, recipe, Normalization::Batch);
  for (const ParameterGroup& group : parameter_groups(net, recipe))
    for (const std::string& name : group.names)
      EXPECT_TRUE(name.starts_with("layer4.") || name.starts_with("fc.")) << name;
}

std::shared_ptr<ResNet> three_classes(const Recipe& recipe) {
  at::manual_seed(3);
  auto net = std::make_shared<ResNet>(*find_architecture("resnet20"), 3, Normalization::Frozen);
  net->draw_initial_weights();
  freeze(*net, recipe, Normalization::Frozen);
  return net;
}

double largest_difference(const ResNet& a, const ResNet& b) {
  double largest = 0;
  const auto parameters = b.named_parameters();
  for (const auto& item : a.named_parameters())
    largest = std::max(largest, (item.value() - parameters[item.key()]).abs().max().item<double>());
  return largest;
}

TEST(TrainParts, AStepWithAScalerIsTheStepWithoutAndOneThatOverflowsIsLeftOut) {
  Recipe recipe;
  recipe.trainable = Trainable::All;
  const TrainBatch batch = {rule({6, 3, 32, 32}, 0, 0.1), at::tensor({0, 1, 2, 2, 1, 0}, at::kLong)};
  const std::shared_ptr<ResNet> plain = three_classes(recipe), scaled = three_classes(recipe);
  ParameterOptimizer plain_optimizer(recipe, parameter_groups(*plain, recipe));
  ParameterOptimizer scaled_optimizer(recipe, parameter_groups(*scaled, recipe));
  LossScaler scaler(at::kCPU);
  TrainStep plain_step(*plain, plain_optimizer, recipe, {});
  TrainStep scaled_step(*scaled, scaled_optimizer, recipe, {}, {}, {.scaler = &scaler});
  const auto learn = [&](TrainStep& step) {
    step.accumulate(Stage::Pictures, batch, {});
    step.apply(0.1);
  };
  learn(plain_step);
  learn(scaled_step);
  EXPECT_LE(largest_difference(*plain, *scaled), 1e-6);
  NamedTensors state = scaler.state();
  state.at("scale").fill_(3e38);
  scaler.restore(state);
  learn(scaled_step);
  EXPECT_LE(largest_difference(*plain, *scaled), 1e-6);
  EXPECT_FLOAT_EQ(static_cast<float>(scaler.scale()), 1.5e38f);
  state.at("scale").fill_(1024);
  scaler.restore(state);
  learn(plain_step);
  learn(scaled_step);
  EXPECT_LE(largest_difference(*plain, *scaled), 1e-6);
}

// What overflows is floats here, which is the same with another scale: the largest that a step bears.
TEST(TrainParts, ASumOverPicturesBearsTheScaleThatTheirMeanBears) {
  Recipe recipe;
  recipe.trainable = Trainable::All;
  recipe.batch_size = 6;
  const TrainBatch batch = {rule({6, 3, 32, 32}, 0, 0.1), at::tensor({0, 1, 2, 2, 1, 0}, at::kLong)};
  const auto largest_scale = [&](uint32_t batches, AllReduce all_reduce) {
    recipe.grad_accum_steps = batches;
    const std::shared_ptr<ResNet> net = three_classes(recipe);
    ParameterOptimizer optimizer(recipe, parameter_groups(*net, recipe));
    LossScaler scaler(at::kCPU);
    NamedTensors state = scaler.state();
    state.at("scale").fill_(std::ldexp(1.0, 127));
    scaler.restore(state);
    TrainStep step(*net, optimizer, recipe, {}, std::move(all_reduce), {.scaler = &scaler});
    for (double tried = 0; tried != scaler.scale();) {
      tried = scaler.scale();
      for (uint32_t i = 0; i < batches; ++i) step.accumulate(Stage::Pictures, batch, {});
      step.apply(0);
    }
    return scaler.scale();
  };
  const double scale = largest_scale(1, {});
  EXPECT_LT(scale, std::ldexp(1.0, 127));
  EXPECT_EQ(largest_scale(1, [](std::span<at::Tensor>) {}), scale);
  EXPECT_EQ(largest_scale(2, {}), scale);
}

// An application that sets an operation alone makes the getters of LibTorch's older flags throw.
TEST(TrainParts, FlagsOfAGpuComeBackHoweverTheyWereSet) {
  at::Context& context = at::globalContext();
  const auto precisions = [&] {
    std::vector<at::Float32Precision> list;
    for (const at::Float32Op operation : {at::Float32Op::CONV, at::Float32Op::RNN, at::Float32Op::MATMUL})
      list.push_back(context.float32Precision(at::Float32Backend::CUDA, operation));
    return list;
  };
  const std::vector<at::Float32Precision> first = precisions();
  context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, at::Float32Precision::IEEE);
  context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::MATMUL, at::Float32Precision::TF32);
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
  const std::vector<at::Float32Precision> before = precisions();
  for (const TrainPrecision precision : {TrainPrecision::Fp32, TrainPrecision::Tf32}) {
    Recipe recipe;
    recipe.precision = precision;
    recipe.deterministic = true;
    const ProcessFlags flags(recipe, at::Device(at::kCUDA, 0));
    EXPECT_EQ(context.allowTF32CuDNN(), precision == TrainPrecision::Tf32);
    EXPECT_EQ(context.allowTF32CuBLAS(), precision == TrainPrecision::Tf32);
    EXPECT_TRUE(context.deterministicCuDNN());
    EXPECT_FALSE(context.deterministicAlgorithmsWarnOnly());
  }
  EXPECT_EQ(precisions(), before);
  EXPECT_TRUE(context.deterministicAlgorithmsWarnOnly());
  // What the CPU was told with them stays told.
  for (const char* products : {"medium", "high", "highest"}) {
    context.setFloat32MatmulPrecision(products);
    const at::Float32MatmulPrecision told = context.float32MatmulPrecision();
    { const ProcessFlags flags(Recipe(), at::Device(at::kCUDA, 0)); }
    EXPECT_EQ(context.float32MatmulPrecision(), told) << products;
  }
  // Nor does what was told for all operations make fp32 anything else.
  const at::Float32Precision all = context.float32Precision(at::Float32Backend::GENERIC, at::Float32Op::ALL);
  context.setFloat32Precision(at::Float32Backend::GENERIC, at::Float32Op::ALL, at::Float32Precision::TF32);
  {
    const ProcessFlags flags(Recipe(), at::Device(at::kCUDA, 0));
    EXPECT_EQ(precisions(), std::vector<at::Float32Precision>(3, at::Float32Precision::IEEE));
  }
  context.setFloat32Precision(at::Float32Backend::GENERIC, at::Float32Op::ALL, all);
  context.setDeterministicAlgorithms(false, false);
  context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, first[0]);
  context.setAllowTF32CuBLAS(false);
}

TEST(TrainParts, RunsSideBySideShareTheFlagsAndTheLastOnePutsThemBack) {
  at::Context& context = at::globalContext();
  const at::Device gpu(at::kCUDA, 0);
  Recipe tf32, deterministic;
  tf32.precision = TrainPrecision::Tf32;
  deterministic.deterministic = true;
  context.setAllowTF32CuDNN(true);
  const bool benchmark = context.benchmarkCuDNN();
  std::optional<ProcessFlags> first(std::in_place, Recipe(), gpu),
      second(std::in_place, Recipe(), gpu, Company::Others);
  ASSERT_TRUE(first->status().ok() && second->status().ok());
  EXPECT_FALSE(context.benchmarkCuDNN());
  for (const Recipe& other : {tf32, deterministic}) {
    const ProcessFlags refused(other, gpu);
    ASSERT_FALSE(refused.status().ok());
    EXPECT_EQ(refused.status().error().code, ErrorCode::Incompatible);
    EXPECT_NE(refused.status().error().message.find("another run in this process"), std::string::npos);
  }
  EXPECT_TRUE(ProcessFlags(Recipe(), at::kCPU).status().ok());
  first.reset();  // out of order
  EXPECT_FALSE(context.allowTF32CuDNN());
  EXPECT_FALSE(context.deterministicAlgorithms());
  second.reset();
  EXPECT_TRUE(context.allowTF32CuDNN());
  EXPECT_EQ(context.benchmarkCuDNN(), benchmark);
  EXPECT_TRUE(ProcessFlags(tf32, gpu).status().ok());
}

TEST(TrainParts, CudnnsAlgorithmsAreTimedWhereNobodyElseRecordsGraphs) {
  at::Context& context = at::globalContext();
  const bool before = context.benchmarkCuDNN();
  {
    const ProcessFlags flags(Recipe(), at::Device(at::kCUDA, 0));
    EXPECT_TRUE(context.benchmarkCuDNN());
  }
  {
    const ProcessFlags flags(Recipe(), at::Device(at::kCUDA, 0), Company::Others);
    EXPECT_FALSE(context.benchmarkCuDNN());
  }
  EXPECT_EQ(context.benchmarkCuDNN(), before);
}

// Two ranks with half a batch each, whose sums are added up, against one rank with all of it.
TEST(TrainParts, TwoRanksAreOneRankWithTwiceTheBatch) {
  Recipe recipe;
  recipe.trainable = Trainable::All;
  recipe.lr = 0.1;
  const at::Tensor pictures = rule({6, 3, 32, 32}, 0, 0.1), ids = at::tensor({0, 1, 2, 2, 1, 0}, at::kLong);
  const std::shared_ptr<ResNet> one = three_classes(recipe), rank0 = three_classes(recipe),
                                rank1 = three_classes(recipe);
  ParameterOptimizer alone(recipe, parameter_groups(*one, recipe));
  TrainStep whole(*one, alone, recipe, {});
  whole.accumulate(Stage::Pictures, {pictures, ids}, {});
  whole.apply(0.1);

  // Rank 0 reduces second: by then rank 1 has left its share here.
  std::vector<at::Tensor> from_rank1;
  ParameterOptimizer optimizer0(recipe, parameter_groups(*rank0, recipe));
  ParameterOptimizer optimizer1(recipe, parameter_groups(*rank1, recipe));
  TrainStep step1(*rank1, optimizer1, recipe, {}, [&](std::span<at::Tensor> tensors) {
    for (const at::Tensor& tensor : tensors) from_rank1.push_back(tensor.clone());
  });
  TrainStep step0(*rank0, optimizer0, recipe, {}, [&](std::span<at::Tensor> tensors) {
    ASSERT_EQ(tensors.size(), from_rank1.size());
    for (size_t i = 0; i < tensors.size(); ++i) tensors[i].add_(from_rank1[i]);
  });
  step1.accumulate(Stage::Pictures, {pictures.slice(0, 4), ids.slice(0, 4)}, {});
  step1.apply(0.1);
  step0.accumulate(Stage::Pictures, {pictures.slice(0, 0, 4), ids.slice(0, 0, 4)}, {});
  step0.apply(0.1);
  EXPECT_LE(largest_difference(*one, *rank0), 1e-6);
}

}  // namespace
}  // namespace resnetft
