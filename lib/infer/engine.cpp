// SPDX-License-Identifier: MIT
// The table of engines.
#include "infer/engine.h"

#include <array>

#include "base/log.h"
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

struct EngineRow {
  std::string_view name;
  Created (*create)(const Model& model, const EngineSpec& spec);
};

// The first is tried first where nobody names one.
constexpr std::array kEngines = {
    EngineRow{"onednn", create_onednn_engine},
    EngineRow{"reference", create_reference_engine},
};

std::string names() {
  std::string text = "auto";
  for (const EngineRow& row : kEngines) text += ", " + std::string(row.name);
  return text;
}

Created create_first_that_fits(const Model& model, const EngineSpec& spec) {
  Error reason{ErrorCode::Internal, "there is no engine", ""};
  for (const EngineRow& row : kEngines) {
    Created engine = row.create(model, spec);
    if (engine) return engine;
    if (engine.error().code != ErrorCode::Incompatible) return engine;
    reason = engine.error();
    log(LogLevel::Info, "engine " + std::string(row.name) + " is passed over: " + reason.message);
  }
  return reason;
}

}  // namespace

Result<std::shared_ptr<const Engine>> create_engine(const std::string& name, const Model& model,
                                                    const EngineSpec& spec) {
  if (name == "auto") return create_first_that_fits(model, spec);
  for (const EngineRow& row : kEngines)
    if (row.name == name) return row.create(model, spec);
  return Error{ErrorCode::InvalidArgument, "unknown engine '" + name + "'", "possible are: " + names()};
}

}  // namespace resnetft
