// SPDX-License-Identifier: MIT
// Images/s of training, for train.sh:
//   train_bench head BATCH                       100 epochs of a head on 10,000 features of 512 floats, 10 classes
//   train_bench ARCH SIZE BATCH EPOCHS FOLDER    a net on a folder of pictures, decoding and augmentation included
// Prints one JSON object: seconds, images-per-second of each epoch, resident megabytes after each.
#include <ATen/ATen.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "device/thread_budget.h"
#include "train/torch/features.h"
#include "train/torch/parameters.h"
#include "train/torch/run_context.h"

namespace resnetft {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "train_bench: %s\n", to_string(error).c_str());
  return 1;
}

double resident_megabytes() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096 / 1e6;
}

DatasetPtr empty_pictures(size_t count, size_t classes) {
  std::vector<std::string> names;
  for (size_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  std::vector<LabelledPicture> pictures;
  for (size_t i = 0; i < count; ++i) pictures.push_back({{}, i % classes, std::to_string(i)});
  return dataset_of_pictures(std::move(pictures), std::move(names));
}

int bench_head(uint32_t batch) {
  constexpr size_t kRows = 10'000, kFeatures = 512, kClasses = 10;
  TrainSpec spec;
  spec.train = spec.validation = empty_pictures(kRows, kClasses);
  spec.recipe.trainable = Trainable::Head;
  spec.recipe.batch_size = batch;
  spec.recipe.epochs = 100;
  spec.recipe.lr = 0.1;
  const TrainObserver observer;
  RunContext run(spec, observer, {}, {});
  ThreadBudget(1).apply();  // as train() does for a small head
  run.net = std::make_shared<ResNet>(*find_architecture("resnet18"), kClasses, Normalization::Batch);
  run.net->draw_initial_weights();
  freeze(*run.net, spec.recipe, Normalization::Batch);
  Result<std::unique_ptr<FeatureStore>> store = FeatureStore::create("", kRows, kFeatures);
  if (!store) return fail(store.error());
  const at::Tensor features = at::randn({kRows, kFeatures});
  std::memcpy((*store)->row(0), features.const_data_ptr(), features.nbytes());
  std::vector<int64_t> class_ids;
  for (size_t i = 0; i < kRows; ++i) class_ids.push_back(static_cast<int64_t>(i % kClasses));
  PhaseParts parts;
  parts.optimizer = std::make_unique<ParameterOptimizer>(spec.recipe, parameter_groups(*run.net, spec.recipe));
  parts.train = row_source(Stage::Features, std::move(*store), {kFeatures}, class_ids, batch);
  const Phase phase{spec.recipe, 0};
  TrainStep step(*run.net, *parts.optimizer, phase.recipe, {});
  const double begin = run.seconds();
  for (; run.state.epochs < spec.recipe.epochs; ++run.state.epochs, run.state.batches = 0) {
    EpochReport report;
    const Result<Going> going = train_epoch(run, phase, parts, step, report);
    if (!going) return fail(going.error());
  }
  std::printf("{\"seconds\": %.3f, \"batch\": %u}\n", run.seconds() - begin, batch);
  return 0;
}

int bench_net(const std::string& architecture, int size, uint32_t batch, uint32_t epochs, const std::string& folder) {
  Result<DatasetPtr> data = open_image_folder(folder);
  if (!data) return fail(data.error());
  TrainSpec spec;
  spec.train = *data;
  spec.validation = subset(*data, {0});
  spec.card.architecture = architecture;
  spec.card.labels = (*data)->classes();
  spec.card.preprocess.resize = size;
  spec.card.preprocess.crop_width = spec.card.preprocess.crop_height = size;
  spec.recipe.batch_size = batch;
  spec.recipe.epochs = epochs;
  spec.recipe.cache = CacheKind::None;
  spec.recipe.threads = 2;
  spec.recipe.workers = 2;
  resolve_recipe(spec.recipe, {(*data)->size(), (*data)->classes().size(), size, size, false});
  std::string rates, memory;
  TrainObserver observer;
  observer.epoch = [&](const EpochReport& report) {
    char text[64];
    std::snprintf(text, sizeof text, "%s%.1f", rates.empty() ? "" : ", ", report.rate);
    rates += text;
    std::snprintf(text, sizeof text, "%s%.0f", memory.empty() ? "" : ", ", resident_megabytes());
    memory += text;
  };
  const Result<TrainOutcome> outcome = train(spec, observer, {});
  if (!outcome) return fail(outcome.error());
  std::printf("{\"seconds\": %.3f, \"images-per-second\": [%s], \"megabytes\": [%s]}\n", outcome->seconds,
              rates.c_str(), memory.c_str());
  return 0;
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "head")
    return resnetft::bench_head(static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)));
  if (argc == 6)
    return resnetft::bench_net(argv[1], std::atoi(argv[2]), static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10)),
                               static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10)), argv[5]);
  std::fprintf(stderr, "usage: train_bench head BATCH | ARCH SIZE BATCH EPOCHS FOLDER\n");
  return 2;
}
