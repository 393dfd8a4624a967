// SPDX-License-Identifier: MIT
// ft-tool train: from a folder of labelled pictures to a model, its measure, and a folder that can repeat it.
#include <chrono>
#include <stop_token>
#include <thread>

#include "model_source.h"
#include "terminal.h"
#include "train_options.h"
#include "train_report.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

// A signal handler may only set a flag; this asks the trainer to stop once it is set.
std::jthread watch_for_signals(std::stop_source& trainer) {
  return std::jthread([&trainer](std::stop_token end) {
    while (!end.stop_requested() && !interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (interrupted()) trainer.request_stop();
  });
}

// What the trainer says goes to the run's files and to whoever looks on. A file that cannot be written ends the run.
class Observation {
 public:
  Observation(RunFolder& folder, TrainPlan& plan, bool json)
      : folder_(folder), plan_(plan), epochs_(plan.recipe.head_epochs + plan.recipe.epochs), json_(json) {}

  TrainObserver observer(std::stop_source& trainer) {
    return {.epoch =
                [this, &trainer](const EpochReport& report) {
                  line_.clear();
                  if (Status status = folder_.add_epoch(report); !status) fail(status.error(), trainer);
                  if (!json_)
                    if (Status status = print(epoch_line(report, epochs_)); !status) fail(status.error(), trainer);
                },
            .progress =
                [this](const TrainProgress& progress) {
                  if (line_.is_due()) line_.show(progress_line(progress));
                },
            .note =
                [this](const std::string& sentence) {
                  line_.clear();
                  say(sentence);
                  plan_.decisions.push_back(sentence);
                },
            .resolved =
                [this, &trainer](const Recipe& recipe, const std::string& why) {
                  line_.clear();
                  say(why);
                  take_recipe(plan_, recipe, why);
                  if (Status status = folder_.write_arguments(config_text(plan_.arguments)); !status)
                    fail(status.error(), trainer);
                }};
  }
  // What went wrong in a callback, or success.
  const Status& status() const { return status_; }

 private:
  static Status print(const std::string& text) {
    if (Status status = write_out(text); !status) return status;
    return flush_out();
  }
  void fail(const Error& error, std::stop_source& trainer) {
    if (status_) status_ = error;
    trainer.request_stop();
  }

  RunFolder& folder_;
  TrainPlan& plan_;
  uint32_t epochs_;
  bool json_;
  StatusLine line_;
  Status status_ = Status::success();
};

Result<TrainOutcome> train_observed(TrainPlan& plan, const std::string& checkpoint, RunFolder& folder, bool json) {
  TrainSpec spec{.base = plan.base,
                 .card = plan.card,
                 .recipe = plan.recipe,
                 .train = plan.data.train,
                 .validation = plan.data.validation,
                 .checkpoint_folder = folder.checkpoint_folder(),
                 .resume_file = checkpoint,
                 .known_corrupt = plan.corrupt,
                 .device = plan.device};
  std::stop_source trainer;
  const std::jthread watcher = watch_for_signals(trainer);
  Observation observation(folder, plan, json);
  Result<TrainOutcome> outcome = train(spec, observation.observer(trainer), trainer.get_token());
  if (!observation.status()) return observation.status().error();
  return outcome;
}

// The finished model as ft-tool eval will see it, for calibration and mistakes. After a signal nobody waits for it.
Status judge_finished(FinishedRun& run, const CommandLine& line) {
  run.calibration.before = run.calibration.after = run.outcome.scores;
  if (run.outcome.stopped == Stopped::Signal) return Status::success();
  const ClassifierOptions options{.device = run.plan.device.cuda ? "auto" : "cpu",
                                  .precision = "fp32",
                                  .threads = static_cast<int>(run.plan.recipe.threads),
                                  .max_batch = 8,
                                  .resize_mode = std::nullopt,
                                  .full_batches = true};
  const Result<std::unique_ptr<Classifier>> classifier =
      Classifier::create(Snapshot::create(run.outcome.model), options);
  if (!classifier) return classifier.error();
  Result<JudgedData> judged =
      judge_data(*run.plan.data.validation, **classifier, worker_count(line), Unreadable::Known);
  if (!judged && judged.error().code == ErrorCode::Cancelled) return Status::success();
  if (!judged) return judged.error();
  run.judged = std::move(*judged);
  run.calibration = calibrate(run.judged->logits, run.plan.card.temperature);
  return Status::success();
}

Status save_finished(const FinishedRun& run) {
  ModelCard card = run.outcome.model->card();
  card.temperature = run.calibration.temperature;
  card.provenance_json = provenance_to_json({.parent_sha256 = run.plan.base ? run.plan.base->sha256() : "",
                                             .train = *run.plan.data.train,
                                             .validation = *run.plan.data.validation,
                                             .recipe = run.plan.recipe,
                                             .scores = run.calibration.after,
                                             .epochs = run.outcome.epochs,
                                             .best_epoch = run.outcome.best_epoch,
                                             .averaged_weights = run.outcome.best_is_ema});
  const Result<std::shared_ptr<const Model>> model = with_card(*run.outcome.model, std::move(card));
  if (!model) return model.error();
  return save_model(**model, run.model_file);
}

Status write_run(FinishedRun& run, RunFolder& folder, const CommandLine& line) {
  // A model that cannot be judged is saved all the same.
  const Status judged = judge_finished(run, line);
  if (Status status = save_finished(run); !status) return status;
  if (!judged) return judged;
  if (Status status = folder.replace_epochs(run.outcome.history); !status) return status;
  if (Status status = folder.write_arguments(config_text(run.plan.arguments)); !status) return status;
  if (Status status = folder.write_report(run_to_html(run)); !status) return status;
  return write_out(line.flag("json") ? run_to_json(run) : run_to_text(run));
}

// 0, or what the run ended with.
Result<int> ending_of(const TrainOutcome& outcome) {
  if (outcome.diverged) {
    say(to_string(*outcome.diverged));
    return 1;
  }
  if (outcome.stopped == Stopped::Signal)
    return Error{ErrorCode::Cancelled, "stopped by a signal", "the same command with --resume auto goes on"};
  if (outcome.stopped == Stopped::Time && !outcome.model)
    return Error{ErrorCode::Cancelled, "--max-time was over before the first epoch: there is no model yet",
                 "the same command with --resume auto and a longer --max-time goes on"};
  return 0;
}

void tell_decisions(const TrainPlan& plan) {
  say(plan.data.how);
  for (const std::string& decision : plan.decisions) say(decision);
}

Result<int> run(const CommandLine& original) {
  if (!original.given("output")) return Error{ErrorCode::InvalidArgument, "no output is named", "pass --output FOLDER"};
  const Result<CommandLine> line = with_config(original);
  if (!line) return line.error();
  const Result<std::string> checkpoint = checkpoint_to_resume(*line);
  if (!checkpoint) return checkpoint.error();
  // Before the pictures are read, not an hour later.
  Result<RunFolder> folder =
      RunFolder::open(line->text("output"), line->given("resume") ? RunStart::Resume : RunStart::New);
  if (!folder) return folder.error();
  Result<TrainPlan> plan = plan_training(*line);
  if (!plan) {
    folder->remove_if_empty();
    return plan.error();
  }
  tell_decisions(*plan);
  // A resume that is refused leaves the file as it was.
  if (checkpoint->empty())
    if (Status status = folder->write_arguments(config_text(plan->arguments)); !status) return status.error();

  const Result<TrainOutcome> outcome = train_observed(*plan, *checkpoint, *folder, line->flag("json"));
  if (!outcome) return outcome.error();
  FinishedRun finished{*plan, *outcome, folder->model_file(), {}, {}};
  if (outcome->model) {
    if (Status status = write_run(finished, *folder, *line); !status) return status.error();
  } else if (line->flag("json")) {
    if (Status status = write_out(run_to_json(finished)); !status) return status.error();
  }
  return ending_of(*outcome);
}

}  // namespace

Verb train_verb() {
  return {.name = "train",
          .arguments = "--data FOLDER --output FOLDER",
          .summary = "Fine-tunes a model, or trains one from scratch, on a folder of labelled pictures",
          .description =
              "A switch is taken back by --no-NAME. torchvision's words for options and values are understood, too.\n\n"
              "  ft-tool train --data birds/ --output runs/birds --model-file resnet18-f37072fd.pth\n"
              "  ft-tool train --data cifar/ --output runs/cifar --arch resnet20 --config tools/recipes/cifar10.ini\n"
              "  ft-tool train --output runs/birds --resume auto",
          .options = train_options(),
          .run = run,
          .groups = train_option_groups(),
          .aliases = train_option_aliases(),
          .check = check_train_option};
}

}  // namespace resnetft::tool
