// SPDX-License-Identifier: MIT
// The table of engines.
#include "infer/engine.h"

#include <array>

#include "base/log.h"
#include "device/cuda_module.h"
#include "device/torch_module.h"
#include "infer/onednn/onednn_engine.h"

namespace resnetft {
namespace {

using Created = Result<std::shared_ptr<const Engine>>;

Created create_reference_engine(const Model& model, const EngineSpec& spec) {
  const Result<const TorchModule*> module = torch_module();
  if (!module) return module.error();
  return (*module)->create_reference_engine(model, spec);
}

Created create_engine_on_gpu(const Model& model, const EngineSpec& spec) {
  const Result<const CudaModule*> module = cuda_module();
  if (!module) return module.error();
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  return (*module)->create_engine(model.card(), **weights, spec);
}

struct EngineRow {
  std::string_view name;
  bool on_gpu;
  Created (*create)(const Model& model, const EngineSpec& spec);
};

// The first of a device is tried first where nobody names one.
constexpr std::array kEngines = {
    EngineRow{"onednn", false, create_onednn_engine},
    EngineRow{"reference", false, create_reference_engine},
    EngineRow{"cuda", true, create_engine_on_gpu},
};

std::string names() {
  std::string text = "auto";
  for (const EngineRow& row : kEngines) text += ", " + std::string(row.name);
  return text;
}

Created create_first_that_fits(const Model& model, const EngineSpec& spec) {
  Error reason{ErrorCode::Internal, "there is no engine", ""};
  for (const EngineRow& row : kEngines) {
    if (row.on_gpu != spec.device.cuda) continue;
    Created engine = row.create(model, spec);
    if (engine) return engine;
    if (engine.error().code != ErrorCode::Incompatible) return engine;
    reason = engine.error();
    log(LogLevel::Info, "engine " + std::string(row.name) + " is passed over: " + reason.message);
  }
  return reason;
}

Created create_named(const EngineRow& row, const Model& model, const EngineSpec& spec) {
  if (row.on_gpu == spec.device.cuda) return row.create(model, spec);
  return Error{ErrorCode::InvalidArgument,
               "engine " + std::string(row.name) + " runs on " + (row.on_gpu ? "a GPU" : "the CPU") + ", not on " +
                   device_name(spec.device),
               "use engine auto, or device " + std::string(row.on_gpu ? "cuda" : "cpu")};
}

}  // namespace

Result<std::shared_ptr<const Engine>> create_engine(const std::string& name, const Model& model,
                                                    const EngineSpec& spec) {
  if (!spec.device.cuda && (spec.precision == Precision::Fp16 || spec.precision == Precision::Tf32))
    return Error{ErrorCode::InvalidArgument, "fp16 and tf32 run on a GPU only", "use precision fp32 or bf16"};
  if (name == "auto") return create_first_that_fits(model, spec);
  for (const EngineRow& row : kEngines)
    if (row.name == name) return create_named(row, model, spec);
  return Error{ErrorCode::InvalidArgument, "unknown engine '" + name + "'", "possible are: " + names()};
}

}  // namespace resnetft
