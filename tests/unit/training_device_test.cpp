// SPDX-License-Identifier: MIT
// Training on a device that is not the CPU, with a stand-in whose numbers are the CPU's.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "tests/support/dataset.h"
#include "tests/support/stand_in_device.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"
#include "tests/support/wait_until.h"
#include "train/checkpoint.h"
#include "train/torch/device_source.h"
#include "train/torch/named_tensors.h"
#include "train/torch/parameters.h"
#include "train/torch/run.h"
#include "train/torch/step.h"

namespace resnetft {
namespace {

using testing::Settings;
using testing::texture_training;

TrainOutcome trained_on_stand_in(const TrainSpec& spec, std::stop_token stop = {}, const TrainObserver& observer = {}) {
  Result<TrainOutcome> outcome = run_training_on(testing::stand_in_device(), spec, observer, std::move(stop));
  if (!outcome) {
    ADD_FAILURE() << to_string(outcome.error());
    return {};
  }
  return std::move(*outcome);
}

struct Case {
  const char* name;
  Settings settings;
};

TEST(TrainingDevice, EveryKindOfRunLearnsThereWhatItLearnsOnTheCpu) {
  const Case cases[] = {
      {"all", {}},
      {"with everything",
       {{"opt", "adamw"},
        {"model-ema", "true"},
        {"model-ema-steps", "2"},
        {"mixup-alpha", "0.2"},
        {"cutmix-alpha", "1"},
        {"clip-grad-norm", "1"},
        {"grad-accum-steps", "2"},
        {"label-smoothing", "0.1"},
        {"class-weights", "inverse"}}},
      {"a head on features", {{"trainable", "head"}, {"cache", "features"}}},
      {"a head on pictures", {{"trainable", "head"}}},
      {"the last stage on cached features", {{"trainable", "layer4"}, {"cache", "features"}}},
      {"head-epochs", {{"head-epochs", "1"}, {"opt", "sgd-nesterov"}}},
      {"adapted statistics", {{"adapt-norm", "32"}, {"norm", "frozen"}}},
  };
  for (const Case& c : cases) {
    const TrainSpec spec = texture_training(c.settings, 48);
    const TrainOutcome here = testing::trained(spec), there = trained_on_stand_in(spec);
    ASSERT_TRUE(here.model && there.model) << c.name;
    EXPECT_EQ(testing::different_tensors(*here.model, *there.model), std::vector<std::string>()) << c.name;
  }
}

// What waits for a GPU in each step lets it run dry between two.
TEST(TrainingDevice, NoStepWaitsForTheDevice) {
  const auto waits_of = [](size_t pictures) {
    const TrainSpec spec = texture_training({{"epochs", "1"},
                                             {"batch-size", "8"},
                                             {"opt", "adam"},
                                             {"model-ema", "true"},
                                             {"model-ema-steps", "1"},
                                             {"mixup-alpha", "0.2"},
                                             {"clip-grad-norm", "1"},
                                             {"label-smoothing", "0.1"}},
                                            pictures);
    const int before = testing::stand_in_waits();
    trained_on_stand_in(spec);
    return testing::stand_in_waits() - before;
  };
  EXPECT_EQ(waits_of(32), waits_of(64));
}

// Three batches, and one that cannot be read.
class CountedSource : public BatchSource {
 public:
  explicit CountedSource(int& reads) : reads_(reads) {}
  Stage stage() const override { return Stage::Pictures; }
  void start(std::vector<size_t>, uint32_t, size_t) override {}
  Result<std::optional<TrainBatch>> next() override {
    if (++reads_ == 4) return Error{ErrorCode::CorruptFile, "the fourth", ""};
    return std::optional<TrainBatch>(TrainBatch{at::full({1, 3, 2, 2}, reads_), at::zeros({1}, at::kLong)});
  }

 private:
  int& reads_;
};

TEST(TrainingDevice, ABatchIsGivenBeforeTheNextOneIsRead) {
  int reads = 0;
  const std::unique_ptr<BatchSource> source =
      on_device(std::make_unique<CountedSource>(reads), testing::stand_in_device());
  source->start({}, 0, 0);
  for (const int number : {1, 2, 3}) {
    const Result<std::optional<TrainBatch>> batch = source->next();
    ASSERT_TRUE(batch.ok() && *batch);
    EXPECT_EQ((*batch)->input.to(at::kCPU).max().item<int>(), number);
    EXPECT_EQ(reads, number);
    source->prefetch();
    source->prefetch();
    EXPECT_EQ(reads, number + 1);
  }
  const Result<std::optional<TrainBatch>> none = source->next();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().message, "the fourth");
  source->start({}, 0, 0);  // forgets the one ahead
  EXPECT_EQ((*source->next())->input.to(at::kCPU).max().item<int>(), 5);
}

TEST(TrainingDevice, AStreamIsUsedAgainByTheNextRun) {
  const TrainSpec spec = texture_training({{"epochs", "1"}}, 48);
  trained_on_stand_in(spec);
  const int streams = testing::stand_in_streams();
  trained_on_stand_in(spec);
  EXPECT_EQ(testing::stand_in_streams(), streams);
}

std::shared_ptr<ResNet> net_on(const at::Device& device, const Recipe& recipe) {
  auto net = std::make_shared<ResNet>(*find_architecture("resnet20"), 3, Normalization::Batch);
  net->draw_initial_weights(at::detail::createCPUGenerator(1));
  move_to(device, *net);
  freeze(*net, recipe, Normalization::Batch);
  return net;
}

// For the loss nobody waits there: the device leaves the step out by itself.
TEST(TrainingDevice, AStepWhoseLossIsNotFiniteChangesNoWeight) {
  for (const Optimizer opt : {Optimizer::Sgd, Optimizer::AdamW})
    for (const bool scales : {false, true}) {
      Recipe recipe;
      recipe.trainable = Trainable::All;
      recipe.opt = opt;
      recipe.grad_accum_steps = 2;
      const std::shared_ptr<ResNet> net = net_on(testing::stand_in_device(), recipe);
      ParameterOptimizer optimizer(recipe, parameter_groups(*net, recipe));
      LossScaler scaler(testing::stand_in_device());
      TrainStep step(*net, optimizer, recipe, {}, {}, {.scaler = scales ? &scaler : nullptr});
      const auto learn_from = [&](double value) {
        const at::Tensor pictures = at::full({4, 3, 32, 32}, value).to(testing::stand_in_device());
        const BatchSums sums = step.accumulate(Stage::Pictures, {pictures, at::tensor({0, 1, 2, 0}, at::kLong)}, {});
        return std::isfinite(sums.value().loss);
      };
      const auto parameters = [&] {
        NamedTensors tensors;
        for (const auto& item : net->named_parameters()) tensors.emplace(item.key(), item.value().detach());
        return on_cpu(tensors);
      };
      EXPECT_TRUE(learn_from(1));
      step.apply(0.1);
      const NamedTensors before = clone_all(parameters());
      EXPECT_FALSE(learn_from(std::numeric_limits<double>::infinity()));
      EXPECT_EQ(optimizer.state().at("steps").item<float>(), 1);
      step.apply(0.1);
      EXPECT_EQ(optimizer.state().at("steps").item<float>(), 1);
      for (const auto& [name, tensor] : parameters()) EXPECT_TRUE(tensor.equal(before.at(name))) << name;
    }
}

// One step late, which the sentence does not show.
TEST(TrainingDevice, ARunThatDivergesSaysTheSameThere) {
  TrainSpec spec = texture_training({{"batch-size", "8"}}, 48);
  spec.recipe.lr = 1e30;
  const TrainOutcome here = testing::trained(spec), there = trained_on_stand_in(spec);
  ASSERT_TRUE(here.diverged && there.diverged);
  EXPECT_EQ(there.diverged->message, here.diverged->message);
}

// LibTorch puts group normalisation together from other operators there.
TEST(TrainingDevice, LayerNormalisationLearnsThereUpToRounding) {
  const TrainSpec spec = texture_training({{"norm", "layer"}}, 48);
  const TrainOutcome here = testing::trained(spec), there = trained_on_stand_in(spec);
  ASSERT_EQ(here.history.size(), there.history.size());
  for (size_t i = 0; i < here.history.size(); ++i)
    EXPECT_NEAR(here.history[i].train_loss, there.history[i].train_loss, 1e-3 * here.history[i].train_loss) << i;
}

TEST(TrainingDevice, ACheckpointOfOneDeviceGoesOnOnAnother) {
  const testing::TemporaryFolder folder;
  TrainSpec spec =
      texture_training({{"model-ema", "true"}, {"checkpoint-interval", "1"}, {"checkpoint-hist", "100"}}, 48);
  spec.checkpoint_folder = folder.file("checkpoints");
  const TrainOutcome whole = testing::trained(spec);
  for (const char* step : {"2", "5"}) {
    TrainSpec rest = spec;
    rest.checkpoint_folder.clear();
    rest.resume_file = spec.checkpoint_folder + "/checkpoint-000000000" + step + ".safetensors";
    const TrainOutcome resumed = trained_on_stand_in(rest);
    ASSERT_TRUE(resumed.model) << step;
    EXPECT_EQ(testing::different_tensors(*whole.model, *resumed.model), std::vector<std::string>()) << step;
  }
}

// The backward pass has a thread of the device's there, whose time and settings are not the caller's.
TEST(TrainingDevice, PausesAreOnTheCallersThread) {
  int pauses = 0, elsewhere = 0;
  TrainSpec spec = texture_training({{"epochs", "1"}}, 48);
  spec.pause_point = [&, caller = std::this_thread::get_id()] {
    ++pauses;
    elsewhere += std::this_thread::get_id() != caller;
  };
  trained_on_stand_in(spec);
  EXPECT_GT(pauses, 10);
  EXPECT_EQ(elsewhere, 0);
}

TEST(TrainingDevice, AStopInsideAStepEndsTheRun) {
  for (const int pause : {1, 4, 14, 27, 31}) {
    std::stop_source stop;
    int count = 0;
    TrainSpec spec = texture_training({}, 48);
    spec.pause_point = [&] {
      if (++count == pause) stop.request_stop();
    };
    EXPECT_EQ(trained_on_stand_in(spec, stop.get_token()).stopped, Stopped::Signal) << pause;
  }
}

// Keeps its last picture back until a step was told of, and then for a second and as long as all has taken: for a good
// part of the time, however slow the machine is.
class LateDataset : public testing::ForwardingDataset {
 public:
  LateDataset(DatasetPtr base, const std::atomic<bool>& told) : ForwardingDataset(std::move(base)), told_(told) {}
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    if (++gets_ == size() && testing::wait_until([&] { return told_.load(); }))
      std::this_thread::sleep_for(std::chrono::steady_clock::now() - begin_ + std::chrono::seconds(1));
    return ForwardingDataset::get(index, reduce_by);
  }

 private:
  const std::atomic<bool>& told_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  mutable std::atomic<size_t> gets_ = 0;
};

TEST(TrainingDevice, ThatItWaitedForPicturesIsSaid) {
  std::vector<std::string> notes;
  TrainObserver observer;
  observer.note = [&](const std::string& sentence) { notes.push_back(sentence); };
  // Of the first of four steps, once the second is queued; the third reads the last batch ahead.
  std::atomic<bool> told = false;
  observer.step = [&](double, double) { told = true; };
  TrainSpec spec = texture_training({{"epochs", "1"}, {"workers", "1"}}, 64);
  spec.train = std::make_shared<LateDataset>(spec.train, told);
  trained_on_stand_in(spec, {}, observer);
  const auto waited = [](const std::string& note) { return note.find("the GPU waited ") != std::string::npos; };
  EXPECT_EQ(std::ranges::count_if(notes, waited), 1);
}

TEST(TrainingDevice, AGpuThatLibTorchCannotUseIsNamed) {
  TrainSpec spec = texture_training({}, 48);
  spec.device = {.cuda = true, .ordinal = 63};
  const Result<TrainOutcome> outcome = run_training(spec, {}, {});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_NE(outcome.error().message.find("cuda:63"), std::string::npos) << outcome.error().message;
}

TEST(TrainingDevice, ArithmeticOfAGpuIsRefusedOnTheCpu) {
  const Result<TrainOutcome> outcome = run_training(texture_training({{"precision", "tf32"}}, 48), {}, {});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace resnetft
