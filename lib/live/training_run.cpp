// SPDX-License-Identifier: MIT
#include "live/training_run.h"

#include <algorithm>

namespace resnetft {
namespace {

// The trainer keeps the epoch that judges best. What the gate will judge by must not choose it, so training samples do:
// as many as say enough.
constexpr size_t kJudgedByTrainer = 256;

std::vector<Lesson> spread_over(const std::vector<Lesson>& lessons) {
  const size_t count = std::min(kJudgedByTrainer, lessons.size());
  std::vector<Lesson> few;
  for (size_t i = 0; i < count; ++i) few.push_back(lessons[i * lessons.size() / count]);
  return few;
}

Result<std::shared_ptr<const Model>> starting_model(const TrainingPlan& plan) {
  ClassMeans means(plan.base_head.features);
  for (const Lesson& lesson : plan.train) means.add(lesson.sample->label, lesson.sample->feature);
  const ModelCard& card = plan.base->card();
  return with_head(*plan.base, imprinted_head(plan.base_head, plan.classes, means), card.temperature, "{}");
}

}  // namespace

std::vector<size_t> lessons_per_class(const TrainingPlan& plan) {
  std::map<std::string, size_t> counts;
  for (const Lesson& lesson : plan.train) ++counts[lesson.sample->label];
  std::vector<size_t> list;
  for (const std::string& label : plan.classes) list.push_back(counts[label]);
  return list;
}

void resolve_plan(TrainingPlan& plan, Recipe recipe, Trainable trainable, unsigned threads, uint64_t seed) {
  recipe.trainable = trainable;
  recipe.threads = threads;
  recipe.workers = 1;
  recipe.seed = seed;
  recipe.eval_metric = EvalMetric::Loss;
  const PreprocessSpec& input = plan.base->card().preprocess;
  plan.notes =
      resolve_recipe(recipe, {plan.train.size(), plan.classes.size(), input.crop_width, input.crop_height, true});
  plan.recipe = recipe;
}

Result<TrainOutcome> run_plan(const TrainingPlan& plan, const TrainObserver& observer,
                              std::function<void()> pause_point, std::stop_token stop) {
  Result<std::shared_ptr<const Model>> base = starting_model(plan);
  if (!base) return base.error();
  const std::vector<Lesson> judged = spread_over(plan.train);
  TrainSpec spec;
  spec.base = *base;
  spec.card = (*base)->card();
  spec.recipe = plan.recipe;
  spec.train = dataset_of_lessons(plan.train, plan.classes);
  spec.validation = dataset_of_lessons(judged, plan.classes);
  if (plan.recipe.trainable == Trainable::Head) {
    spec.train_features = features_of(plan.train);
    spec.validation_features = features_of(judged);
  }
  spec.device = plan.device;
  spec.pause_point = std::move(pause_point);
  return train(spec, observer, std::move(stop));
}

}  // namespace resnetft
