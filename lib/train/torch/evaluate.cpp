// SPDX-License-Identifier: MIT
#include "train/torch/evaluate.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <numeric>
#include <optional>

#include "train/torch/cpu_run.h"
#include "train/torch/parameters.h"
#include "train/torch/step.h"
#include "train/torch/transfer.h"

namespace resnetft {
namespace {

// A batch whose logits are on their way. Its pictures may go.
struct Judged {
  HostCopy logits;
  at::Tensor class_ids;  // of its own
};

void add_all(ClassificationMeter& meter, const Judged& batch) {
  const at::Tensor confidences = batch.logits.value().to(at::kDouble).softmax(1).contiguous();
  const double* row = confidences.const_data_ptr<double>();
  const int64_t* truth = batch.class_ids.const_data_ptr<int64_t>();
  const size_t classes = static_cast<size_t>(confidences.size(1));
  for (int64_t i = 0; i < confidences.size(0); ++i, row += classes)
    meter.add(static_cast<size_t>(truth[i]), {row, classes});
}

}  // namespace

Result<ClassificationScores> evaluate(ResNet& net, BatchSource& source, size_t images,
                                      const std::function<bool(size_t done)>& pause) {
  const EvaluationMode evaluation(net);
  const c10::InferenceMode inference;
  ClassificationMeter meter(static_cast<size_t>(net.named_parameters()[net.head_name() + ".bias"].size(0)));
  std::vector<size_t> order(images);
  std::iota(order.begin(), order.end(), size_t{0});
  source.start(std::move(order), 0, 0);
  std::optional<Judged> before;  // is read once the next batch is queued, so that a GPU has work meanwhile
  for (size_t done = 0;;) {
    Result<std::optional<TrainBatch>> batch = source.next();
    if (!batch) return batch.error();
    if (!*batch) {
      if (before) add_all(meter, *before);
      return meter.value();
    }
    const TrainBatch& pictures = **batch;
    if (pictures.class_ids.size(0) > 0) {
      const CpuRun run(pictures.input.device());
      Judged now{HostCopy(logits_from(net, source.stage(), pictures.input)), pictures.class_ids.clone()};
      source.prefetch();
      if (before) add_all(meter, *before);
      before = std::move(now);
    }
    done += static_cast<size_t>(pictures.class_ids.size(0));
    if (!pause(done)) return Error{ErrorCode::Cancelled, "evaluation was stopped", ""};
  }
}

}  // namespace resnetft
