// SPDX-License-Identifier: MIT
#include "train/torch/run.h"

#include <ATen/ATen.h>
#include <cpuid.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "device/thread_budget.h"
#include "device/torch/guarded.h"
#include "device/torch/torch_device.h"
#include "model/model_card.h"
#include "model/normalization.h"
#include "train/recipe_table.h"
#include "train/torch/evaluate.h"
#include "train/torch/fitting_batch.h"
#include "train/torch/parameters.h"
#include "train/torch/process_flags.h"
#include "train/torch/run_context.h"
#include "train/torch/sources.h"
#include "train/torch/start.h"

namespace resnetft {
namespace {

// LibTorch takes no other values.
bool has_deterministic_cublas() {
  const char* config = std::getenv("CUBLAS_WORKSPACE_CONFIG");
  return config && std::ranges::any_of(std::array{":4096:8", ":16:8"},
                                       [&](const char* wanted) { return std::strcmp(config, wanted) == 0; });
}

Status check(const TrainSpec& spec) {
  const auto wrong = [](const char* message, const char* hint) {
    return Error{ErrorCode::InvalidArgument, message, hint};
  };
  if (!spec.train || spec.train->size() == 0) return wrong("there are no training pictures", "name other data");
  if (!spec.validation || spec.validation->size() == 0)
    return wrong("there are no validation pictures",
                 "name them with --val-data, or give --val-split two or more pictures of a class");
  if (spec.train->classes() != spec.validation->classes())
    return Error{ErrorCode::Incompatible, "training and validation data have other classes",
                 "give both folders the same class folders"};
  const Recipe& recipe = spec.recipe;
  if (recipe.trainable == Trainable::Auto || recipe.cache == CacheKind::Auto || recipe.crop_is_auto ||
      recipe.epochs == kAutoEpochs || (recipe.lr <= 0 && !rate_follows_features(recipe)))
    return wrong("the recipe still says auto", "call resolve_recipe() first");
  if (recipe.precision == TrainPrecision::Tf32 && !spec.device.cuda)
    return wrong("tf32 is arithmetic of a GPU", "use --precision fp32 on the CPU");
  if (recipe.deterministic && spec.device.cuda && !has_deterministic_cublas())
    return wrong("deterministic training on a GPU needs CUBLAS_WORKSPACE_CONFIG, :4096:8 or :16:8, in the environment",
                 "set it to :4096:8 before the process starts");
  if (spec.train_features.empty()) return Status::success();
  if (spec.train_features.size() != spec.train->size() || spec.validation_features.size() != spec.validation->size())
    return wrong("there are not as many features as pictures", "give features of every picture, or none");
  if (recipe.trainable != Trainable::Head)
    return wrong("features were given, but more than the head is to learn", "leave the features out");
  return Status::success();
}

std::string processor_family() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return "unknown";
  std::array<char, 13> vendor = {};
  std::memcpy(vendor.data(), &b, 4);
  std::memcpy(vendor.data() + 4, &d, 4);
  std::memcpy(vendor.data() + 8, &c, 4);
  __get_cpuid(1, &a, &b, &c, &d);
  const unsigned family = (a >> 8 & 15) + (a >> 20 & 255), model = (a >> 4 & 15) | (a >> 12 & 240);
  return std::string(vendor.data()) + " family " + std::to_string(family) + " model " + std::to_string(model) + ", " +
         at::get_cpu_capability();
}

RunIdentity identity_of(const RunContext& run) {
  RunIdentity identity;
  identity.options = recipe_to_options(run.spec.recipe);
  identity.train_manifest = run.spec.train->manifest_hash();
  identity.validation_manifest = run.spec.validation->manifest_hash();
  identity.classes = run.spec.train->classes();
  identity.model = run.card.architecture + ", " + std::string(normalization_name(run.card.normalization)) +
                   " normalisation, " + preprocess_to_json(run.card.preprocess).dump() +
                   (run.spec.base ? ", begun from " + run.spec.base->sha256() : "");
  identity.machine = {{"LibTorch", TORCH_VERSION},
                      {"compiler", __VERSION__},
                      {"processor", processor_family()},
                      {"threads", std::to_string(run.spec.recipe.threads)},
                      {"device", run.spec.device.cuda ? "cuda" : "cpu"}};
  return identity;
}

void note_odd_classes(const RunContext& run) {
  const Dataset& data = *run.spec.train;
  const std::vector<size_t> counts = class_counts_of(data);
  const auto name_those_with = [&](size_t count) {
    std::string names;
    for (size_t i = 0; i < counts.size(); ++i)
      if (counts[i] == count) names.append(names.empty() ? "" : ", ").append(data.classes()[i]);
    return names;
  };
  if (const std::string names = name_those_with(0); !names.empty())
    run.note("no training picture of: " + names + "; they are never learned");
  if (const std::string names = name_those_with(1); !names.empty()) run.note("a single training picture of: " + names);
  if (counts.size() > data.size())
    run.note(std::to_string(counts.size()) + " classes, but only " + std::to_string(data.size()) +
             " training pictures");
}

LossSpec loss_spec(const RunContext& run) {
  const std::vector<float> weights = class_weights(run.spec.recipe.class_weights, class_counts_of(*run.spec.train));
  LossSpec loss{run.spec.recipe.label_smoothing};
  if (!weights.empty()) loss.class_weights = at::tensor(weights);
  return loss;
}

class Run {
 public:
  Run(const TrainSpec& spec, const at::Device& device, const TrainObserver& observer,
      const PreprocessorFactory& preprocessors, std::stop_token stop)
      : run_(spec, observer, preprocessors, std::move(stop)), device_(device) {}

  std::string advice_when_out_of_memory() const { return resnetft::advice_when_out_of_memory(run_); }

  Result<TrainOutcome> perform() {
    if (Status begun = until_cancelled([&] { return begin(); }); !begun) {
      if (begun.error().code != ErrorCode::Cancelled) return begun.error();
      going_ = Going::Signal;
      return outcome();
    }
    for (Phase& phase : phases_of(run_.spec.recipe)) {
      if (phase.recipe.epochs > 0 && run_.state.epochs >= phase.last_epoch()) continue;
      const Result<Going> going = run_phase(phase);
      if (!going) return going.error();
      going_ = *going;
      if (going_ != Going::On) break;
    }
    return outcome();
  }

 private:
  Status begin() {
    const auto note = [&](const std::string& sentence) { run_.note(sentence); };
    Result<StartingNet> start = start_net(run_.spec, note);
    if (!start) return start.error();
    run_.net = start->net;
    move_to(device_, *run_.net);
    run_.net->set_pause_hook([this] { run_.pause_point(); });
    run_.card = start->card;
    run_.tensors = tensors_of(*run_.net);
    has_head_ = start->has_head;
    run_.identity = identity_of(run_);
    note_odd_classes(run_);
    note_single_last();
    note_emulation();
    if (!run_.spec.resume_file.empty()) return resume();
    ThreadBudget(static_cast<int>(run_.spec.recipe.threads)).apply();
    return run_.spec.recipe.adapt_norm > 0 ? adapt() : Status::success();
  }

  void note_single_last() const {
    const Recipe& recipe = run_.spec.recipe;
    // Where only the head learns, and with frozen normalisation, running statistics are what normalises any batch.
    if (recipe.trainable == Trainable::Head || run_.card.normalization != Normalization::Batch) return;
    if (recipe.batch_size > 1 && run_.spec.train->size() % recipe.batch_size == 1)
      run_.note("the last batch of an epoch is a single picture, which is normalised with running statistics");
  }

  void note_emulation() const {
    if (run_.spec.device.cuda) return;
    const TrainPrecision precision = run_.spec.recipe.precision;
    if (precision == TrainPrecision::Bf16 && !__builtin_cpu_supports("avx512bf16"))
      run_.note("this processor has no bfloat16 arithmetic, which is emulated: fp32 is faster");
    if (precision == TrainPrecision::Fp16 && !__builtin_cpu_supports("avx512fp16"))
      run_.note("this processor has no float16 arithmetic, which is emulated: fp32 is faster");
  }

  Status resume() {
    Result<Checkpoint> read = read_checkpoint(run_.spec.resume_file);
    if (!read) return read.error();
    take_rate_of(read->identity);
    if (Status same = check_resume(run_.spec.resume_file, read->identity, run_.identity); !same) return same;
    if (run_.lr > run_.spec.recipe.lr) run_.tell_rate("lr=" + number_text(run_.lr) + ": as the checkpoint says");
    if (const std::string other = machine_difference(read->identity, run_.identity); !other.empty())
      run_.note("this machine differs from the one that wrote the checkpoint, so the last bits may: " + other);
    if (Status good = restore_tensors(read->tensors, "net", run_.tensors); !good) return good;
    if (has_prefix(read->tensors, "best")) {
      run_.best = clone_all(run_.tensors);
      if (Status good = restore_tensors(read->tensors, "best", run_.best); !good) return good;
    }
    run_.state = read->state;
    std::set<std::string> corrupt = run_.spec.known_corrupt;
    corrupt.merge(std::set(read->state.corrupt));
    run_.corrupt = CorruptLog(run_.spec.recipe, run_.spec.train->size() + run_.spec.validation->size(),
                              run_.observer.note, std::move(corrupt));
    checkpoint_ = std::move(*read);
    return Status::success();
  }

  // A rate that followed from features is the one that the run was begun with.
  void take_rate_of(const RunIdentity& then) {
    Recipe before = run_.spec.recipe;
    if (!rate_follows_features(before)) return;
    for (const auto& [name, value] : then.options)
      if (name == "lr" && set_recipe_option(before, name, value) && before.lr > 0) run_.resolve_rate(before.lr);
  }

  Status adapt() {
    if (!has_running_statistics(run_.card.normalization)) {
      run_.note("adapt-norm: this normalisation keeps no statistics");
      return Status::success();
    }
    LoaderSpec loader = loader_spec(run_, run_.spec.train, training_output(run_), std::nullopt);
    loader.cache = PixelCache::None;
    const Result<std::unique_ptr<BatchSource>> source = open_pictures(run_, loader);
    if (!source) return source.error();
    (*source)->start(shuffled_order(run_.spec.train->size(), run_.spec.recipe.seed, 0), 0, 0);
    return adapt_statistics(*run_.net, **source, run_.spec.recipe.adapt_norm);
  }

  // Whether the checkpoint stands inside this phase, so that optimiser and average belong to it.
  bool resumes_in(const Phase& phase) const {
    return checkpoint_ && (run_.state.epochs > phase.first_epoch || run_.state.batches > 0);
  }

  Status restore(PhaseParts& parts) {
    if (parts.head)
      if (Status good = restore_tensors(checkpoint_->tensors, "head", parts.head->state()); !good) return good;
    if (Status good = restore_tensors(checkpoint_->tensors, "optimizer", parts.optimizer->state()); !good) return good;
    if (parts.average)
      if (Status good = restore_tensors(checkpoint_->tensors, "ema", parts.average->tensors()); !good) return good;
    return parts.scaler ? restore(*parts.scaler) : Status::success();
  }

  Status restore(LossScaler& scaler) {
    const NamedTensors state = scaler.state();
    if (Status good = restore_tensors(checkpoint_->tensors, "scaler", state); !good) return good;
    scaler.restore(state);
    return Status::success();
  }

  Result<Going> run_phase(Phase& phase) {
    ThreadBudget(static_cast<int>(run_.spec.recipe.threads)).apply();
    freeze(*run_.net, phase.recipe, run_.card.normalization);
    PhaseParts parts;
    if (Status opened = until_cancelled([&] { return open_sources(run_, phase, parts); }); !opened) {
      if (opened.error().code == ErrorCode::Cancelled) return run_.may_go_on();
      return opened.error();
    }
    if (phase.recipe.lr == 0) choose_rate(phase, parts);
    std::vector<ParameterGroup> groups = parameter_groups(*run_.net, phase.recipe);
    if (parts.head) parts.head->replace_in(groups);
    parts.optimizer = std::make_unique<ParameterOptimizer>(phase.recipe, std::move(groups));
    if (phase.recipe.model_ema) parts.average.emplace(run_.tensors);
    if (phase.recipe.precision == TrainPrecision::Fp16 && !parts.head) parts.scaler.emplace(device_);
    if (resumes_in(phase)) {
      if (Status good = restore(parts); !good) return good.error();
    } else {
      run_.state.averagings = 0;
    }
    count_steps_done();
    checkpoint_.reset();
    ThreadBudget(threads_for(*parts.train, phase.recipe)).apply();
    if (run_.state.history.empty() && run_.state.batches == 0) {
      const Result<Going> going = judge_base(parts);
      if (!going || *going != Going::On) return going;
    }
    return run_epochs(phase, parts);
  }

  // Of a head on features; of pixels where the features would have taken too much room.
  void choose_rate(Phase& phase, const PhaseParts& parts) {
    const bool is_main = phase.first_epoch == run_.spec.recipe.head_epochs;
    if (is_main && run_.lr > 0) {
      phase.recipe.lr = run_.lr;
      return;
    }
    phase.recipe.lr = parts.head ? parts.head->safe_rate() : automatic_head_rate(phase.recipe);
    const std::string why = "lr=" + number_text(phase.recipe.lr) +
                            (parts.head ? ": 1 / L of the features that the head learns on" : ": a head");
    if (!is_main) return run_.note("head-epochs: " + why);
    run_.resolve_rate(phase.recipe.lr);
    run_.tell_rate(why);
  }

  // Starting threads for the products of a small head takes longer than the products.
  int threads_for(const BatchSource& source, const Recipe& recipe) const {
    constexpr double kWorthThreads = 1e7;  // multiplications
    const at::Tensor weight = run_.tensors.at(run_.net->head_name() + ".weight");
    const double products = static_cast<double>(weight.numel()) * recipe.batch_size;
    const bool small = source.stage() == Stage::Features && products < kWorthThreads;
    return small ? 1 : static_cast<int>(recipe.threads);
  }

  // From the plan of all phases, so that a resume counts on.
  void count_steps_done() {
    const Recipe& recipe = run_.spec.recipe;
    const size_t images = run_.spec.train->size();
    const uint64_t batches = (images + recipe.batch_size - 1) / recipe.batch_size;
    const uint64_t steps = (batches + recipe.grad_accum_steps - 1) / recipe.grad_accum_steps;
    const uint64_t under_way = (run_.state.batches + recipe.grad_accum_steps - 1) / recipe.grad_accum_steps;
    run_.steps_done = run_.state.epochs * steps + under_way;
  }

  // Where every label has a row of the base's. With no epochs at all, what the net begins as is the result.
  Result<Going> judge_base(PhaseParts& parts) {
    const Status judged = until_cancelled([&] { return judge_beginning(parts); });
    if (judged) return Going::On;
    if (judged.error().code == ErrorCode::Cancelled) return run_.may_go_on();
    return judged.error();
  }

  Status judge_beginning(PhaseParts& parts) {
    const bool is_result = run_.spec.recipe.epochs + run_.spec.recipe.head_epochs == 0;
    const bool is_as_it_came = !differs_from_base();
    std::optional<ClassificationScores> scores;
    if (has_head_) {
      Result<ClassificationScores> base = is_as_it_came ? judge_net(parts) : judge_base_as_it_came();
      if (!base) return base.error();
      EpochReport report;
      report.validation = *base;
      report.is_best = is_result && is_as_it_came;
      if (run_.observer.epoch) run_.observer.epoch(report);
      run_.state.history.push_back(without_details(report));
      if (is_as_it_came) scores = std::move(*base);
    }
    if (!is_result) return Status::success();
    if (!scores) {
      Result<ClassificationScores> begun = judge_net(parts);
      if (!begun) return begun.error();
      scores = std::move(*begun);
    }
    run_.best = clone_all(run_.tensors);
    run_.state.best_scores = std::move(*scores);
    return Status::success();
  }

  // Whether normalisation was converted, or its statistics estimated again.
  bool differs_from_base() const {
    const TrainSpec& spec = run_.spec;
    if (!spec.base || !spec.train_features.empty()) return false;
    return run_.card.normalization != spec.base->card().normalization ||
           (spec.recipe.adapt_norm > 0 && has_running_statistics(run_.card.normalization));
  }

  Result<ClassificationScores> judge_net(const PhaseParts& parts) { return judge(*run_.net, *parts.validation); }

  Result<ClassificationScores> judge_base_as_it_came() {
    TrainSpec spec = run_.spec;
    spec.recipe.norm = NormChoice::Keep;
    spec.card.normalization = spec.base->card().normalization;
    const Result<StartingNet> base = start_net(spec, [](const std::string&) {});
    if (!base) return base.error();
    move_to(device_, *base->net);
    base->net->eval();
    const Result<std::unique_ptr<BatchSource>> pictures =
        open_pictures(run_, loader_spec(run_, spec.validation, run_.card.preprocess, std::nullopt));
    if (!pictures) return pictures.error();
    return judge(*base->net, **pictures);
  }

  Result<ClassificationScores> judge(ResNet& net, BatchSource& source) {
    return evaluate(net, source, run_.spec.validation->size(), [&](size_t) { return run_.may_go_on() == Going::On; });
  }

  Result<Going> run_epochs(const Phase& phase, PhaseParts& parts) {
    TrainStep step(*run_.net, *parts.optimizer, phase.recipe, loss_spec(run_), {},
                   {parts.head ? &*parts.head : nullptr, parts.scaler ? &*parts.scaler : nullptr});
    while (run_.state.epochs < phase.last_epoch()) {
      if (stopped_early_ = lost_patience(phase); stopped_early_) return Going::On;
      EpochReport report;
      Result<Going> going = train_epoch(run_, phase, parts, step, report);
      if (going && *going == Going::On) going = finish_epoch(run_, phase, parts, report);
      if (!going || *going == Going::Diverged) return going;
      if (*going != Going::On || run_.spec.recipe.checkpoint_interval == 0 || is_last_epoch())
        if (const Status saved = run_.save(parts); !saved) return saved.error();
      if (*going != Going::On) return going;
      if (is_last_epoch() || lost_patience(phase)) continue;
      if (const Going next = run_.may_go_on(); next != Going::On) return next;
    }
    return Going::On;
  }

  bool is_last_epoch() const { return run_.state.epochs == run_.spec.recipe.head_epochs + run_.spec.recipe.epochs; }

  // The epochs of --head-epochs are not cut short: the rates of those that follow are counted from their end. The best
  // epoch may be a later one of the same merit, with a lower loss: that is no gain.
  bool lost_patience(const Phase& phase) const {
    const uint32_t patience = run_.spec.recipe.early_stop_patience;
    if (patience == 0 || phase.last_epoch() < run_.spec.recipe.head_epochs + run_.spec.recipe.epochs) return false;
    return run_.state.epochs >= std::max(last_gain(run_.spec.recipe, run_.state), phase.first_epoch) + patience;
  }

  Result<TrainOutcome> outcome() {
    TrainOutcome result;
    result.epochs = run_.state.epochs;
    result.best_epoch = run_.state.best_epoch;
    result.best_is_ema = run_.state.best_is_ema;
    result.scores = run_.state.best_scores;
    result.history = run_.state.history;
    result.diverged = run_.diverged;
    result.skipped_images = run_.corrupt.names().size();
    result.seconds = run_.state.seconds + run_.seconds();
    count_work(result);
    result.stopped = going_ == Going::Signal ? Stopped::Signal
                     : going_ == Going::Time ? Stopped::Time
                     : stopped_early_        ? Stopped::Early
                                             : Stopped::Completed;
    if (run_.best.empty()) return result;
    Result<std::shared_ptr<const Model>> model = Model::create(run_.card, to_float_weights(run_.best));
    if (!model) return model.error();
    result.model = *model;
    return result;
  }

  // Features that were computed before a resume are not counted, but their epochs are.
  void count_work(TrainOutcome& result) const {
    Work through_net = run_.computed, on_features;
    for (const EpochReport& report : run_.state.history)
      (report.on_features ? on_features : through_net).add(report.rate * report.seconds, report.seconds);
    result.images_per_second = through_net.rate();
    result.features_per_second = on_features.rate();
  }

  RunContext run_;
  at::Device device_;
  bool has_head_ = false, stopped_early_ = false;
  Going going_ = Going::On;
  std::optional<Checkpoint> checkpoint_;  // until the phase that it stands in has taken its state
};

}  // namespace

Result<TrainOutcome> run_training(const TrainSpec& spec, const TrainObserver& observer, std::stop_token stop) {
  return guarded("training", [&]() -> Result<TrainOutcome> {
    const Result<at::Device> device = torch_device(spec.device);
    if (!device) return device.error();
    return run_training_on(*device, spec, observer, std::move(stop),
                           device->is_cuda() ? create_preprocessor_of_module : PreprocessorFactory());
  });
}

Result<TrainOutcome> run_training_on(const at::Device& device, const TrainSpec& spec, const TrainObserver& observer,
                                     std::stop_token stop, const PreprocessorFactory& preprocessors) {
  return guarded("training", [&]() -> Result<TrainOutcome> {
    if (const Status good = check(spec); !good) return good.error();
    const ProcessFlags flags(spec.recipe, device, spec.pause_point ? Company::Others : Company::Nobody);
    if (!flags.status()) return flags.status().error();
    const BackgroundStream stream(device);
    Run run(spec, device, observer, preprocessors, std::move(stop));
    Result<TrainOutcome> outcome = guarded("training", [&] { return run.perform(); });
    if (outcome || outcome.error().code != ErrorCode::OutOfMemory) return outcome;
    return Error{ErrorCode::OutOfMemory, outcome.error().message, run.advice_when_out_of_memory()};
  });
}

}  // namespace resnetft
