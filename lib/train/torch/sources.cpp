// SPDX-License-Identifier: MIT
#include "train/torch/sources.h"

#include <algorithm>

#include "train/torch/device_source.h"
#include "train/torch/features.h"
#include "train/torch/frame_source.h"
#include "train/torch/parameters.h"

namespace resnetft {
namespace {

Stage wanted_stage(const Recipe& recipe) {
  if (recipe.cache != CacheKind::Features) return Stage::Pictures;
  if (recipe.trainable == Trainable::Head) return Stage::Features;
  return recipe.trainable == Trainable::Layer4 ? Stage::LastStage : Stage::Pictures;
}

// Feature caches are made of pictures as in evaluation: of the size that evaluation has.
Stage affordable_stage(RunContext& run, const Recipe& recipe) {
  const Stage stage = wanted_stage(recipe);
  if (stage == Stage::Pictures) return stage;
  const PreprocessSpec& output = run.card.preprocess;
  const size_t pictures = run.spec.train->size() + run.spec.validation->size();
  const uint64_t bytes =
      uint64_t{sizeof(float)} * stage_floats(*run.net, stage, output.crop_width, output.crop_height) * pictures;
  std::string text = std::to_string(bytes) + " bytes of features of " + std::to_string(pictures) + " pictures";
  if (bytes > recipe.cache_max_bytes) {
    run.note("cache: pixels, as " + text + " are more than --cache-max-bytes " +
             std::to_string(recipe.cache_max_bytes));
    return Stage::Pictures;
  }
  run.note("cache: " + text + " are kept" +
           (run.spec.checkpoint_folder.empty() ? " in memory" : " in a file that is mapped into memory"));
  return stage;
}

Result<FeatureRows> features_of(RunContext& run, Stage stage, const DatasetPtr& dataset) {
  constexpr size_t kComputeBatch = 64;
  LoaderSpec loader = loader_spec(run, dataset, run.card.preprocess, std::nullopt);
  loader.cache = PixelCache::None;
  loader.batch_size = std::min(kComputeBatch, loader.batch_size);  // what is asked for fits the memory
  const Result<std::unique_ptr<BatchSource>> pictures = open_pictures(run, loader);
  if (!pictures) return pictures.error();
  const double begun = run.seconds();
  Result<FeatureRows> rows = compute_features(
      *run.net, stage, **pictures, loader.output, dataset->size(), run.spec.checkpoint_folder, [&](size_t done) {
        TrainProgress progress;
        progress.epoch = run.state.epochs;
        progress.epochs = run.spec.recipe.head_epochs + run.spec.recipe.epochs;
        progress.step = done;
        progress.steps = dataset->size();
        progress.rate = static_cast<double>(done) / std::max(1e-9, run.seconds() - begun);
        progress.phase = "features";
        run.progress(progress);
        return run.may_go_on() == Going::On;
      });
  if (rows) run.computed.add(static_cast<double>(dataset->size()), run.seconds() - begun);
  return rows;
}

std::unique_ptr<BatchSource> source_of(const RunContext& run, Stage stage, FeatureRows rows) {
  return row_source(stage, std::move(rows.store), std::move(rows.shape), std::move(rows.class_ids),
                    run.spec.recipe.batch_size);
}

void open_rows(RunContext& run, Stage stage, FeatureRows learned, FeatureRows judged, PhaseParts& parts) {
  const at::Device device = device_of(*run.net);
  if (stage == Stage::Features) parts.head.emplace(*run.net, standardize(learned));
  parts.train = source_of(run, stage, std::move(learned));
  if (!parts.head) parts.train = on_device(std::move(parts.train), device);
  parts.validation = on_device(source_of(run, stage, std::move(judged)), device);
}

Status open_features(RunContext& run, Stage stage, PhaseParts& parts) {
  Result<FeatureRows> learned = features_of(run, stage, run.spec.train);
  if (!learned) return learned.error();
  Result<FeatureRows> judged = features_of(run, stage, run.spec.validation);
  if (!judged) return judged.error();
  open_rows(run, stage, std::move(*learned), std::move(*judged), parts);
  return Status::success();
}

MixDrawer mix_drawer(const Recipe& recipe, const PreprocessSpec& output) {
  if (recipe.mixup_alpha <= 0) return {};
  return [&recipe, output](uint32_t epoch, uint32_t batch) {
    return draw_mix(recipe, epoch, batch, output.crop_width, output.crop_height);
  };
}

Status open_picture_parts(RunContext& run, const Phase& phase, PhaseParts& parts) {
  const PreprocessSpec output = training_output(run);
  Result<std::unique_ptr<BatchSource>> learned = open_pictures(
      run, loader_spec(run, run.spec.train, output, phase.recipe.augment), mix_drawer(phase.recipe, output));
  if (!learned) return learned.error();
  parts.train = std::move(*learned);
  Result<std::unique_ptr<BatchSource>> judged =
      open_pictures(run, loader_spec(run, run.spec.validation, run.card.preprocess, std::nullopt));
  if (!judged) return judged.error();
  parts.validation = std::move(*judged);
  return Status::success();
}

Result<FeatureRows> rows_of_given(const DatasetPtr& dataset, const std::vector<std::span<const float>>& features) {
  const size_t width = features.front().size();
  Result<std::unique_ptr<FeatureStore>> store = FeatureStore::create("", features.size(), width);
  if (!store) return store.error();
  std::vector<int64_t> class_ids;
  for (size_t i = 0; i < features.size(); ++i) {
    if (features[i].size() != width)
      return Error{ErrorCode::InvalidArgument, "features of different lengths were given", ""};
    std::ranges::copy(features[i], (*store)->row(i));
    class_ids.push_back(static_cast<int64_t>(dataset->class_id(i)));
  }
  return FeatureRows{std::move(*store), {static_cast<int64_t>(width)}, std::move(class_ids)};
}

Status open_given_features(RunContext& run, PhaseParts& parts) {
  Result<FeatureRows> learned = rows_of_given(run.spec.train, run.spec.train_features);
  if (!learned) return learned.error();
  Result<FeatureRows> judged = rows_of_given(run.spec.validation, run.spec.validation_features);
  if (!judged) return judged.error();
  open_rows(run, Stage::Features, std::move(*learned), std::move(*judged), parts);
  return Status::success();
}

}  // namespace

Result<std::unique_ptr<BatchSource>> open_pictures(RunContext& run, const LoaderSpec& spec, MixDrawer mix) {
  const at::Device device = device_of(*run.net);
  if (run.preprocessors) {
    Result<std::unique_ptr<BatchSource>> there = frame_source(
        spec, device, run.preprocessors, run.corrupt, [&run](const std::string& sentence) { run.note_once(sentence); },
        std::move(mix));
    if (there && spec.augment) run.note_once("pictures are decoded on the CPU and augmented on the GPU");
    if (there) return there;
    run.note_once("pictures are augmented on the CPU: " + there.error().message);
  }
  Result<std::unique_ptr<BatchSource>> here = picture_source(spec, run.corrupt);
  if (!here) return here.error();
  return on_device(std::move(*here), device);
}

PreprocessSpec training_output(const RunContext& run) { return training_output(run.spec.recipe, run.card.preprocess); }

LoaderSpec loader_spec(const RunContext& run, const DatasetPtr& dataset, const PreprocessSpec& output,
                       const std::optional<AugmentSpec>& augment) {
  const Recipe& recipe = run.spec.recipe;
  LoaderSpec spec;
  spec.dataset = dataset;
  spec.output = output;
  spec.augment = augment;
  spec.seed = recipe.seed;
  spec.batch_size = recipe.batch_size;
  spec.workers = std::max(1u, recipe.workers);
  spec.fast_decode = recipe.fast_decode && augment && augment->crop == CropKind::RandomResizedCrop;
  if (recipe.cache == CacheKind::Uint8) {
    spec.cache = PixelCache::Uint8;
    // Training and validation share the bytes as they share the pictures.
    const double pictures = static_cast<double>(run.spec.train->size() + run.spec.validation->size());
    spec.cache_bytes = static_cast<uint64_t>(static_cast<double>(recipe.cache_max_bytes) *
                                             static_cast<double>(dataset->size()) / std::max(1.0, pictures));
  }
  return spec;
}

Status open_sources(RunContext& run, const Phase& phase, PhaseParts& parts) {
  if (!run.spec.train_features.empty()) return open_given_features(run, parts);
  const Stage stage = affordable_stage(run, phase.recipe);
  return stage == Stage::Pictures ? open_picture_parts(run, phase, parts) : open_features(run, stage, parts);
}

}  // namespace resnetft
