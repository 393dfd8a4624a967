// SPDX-License-Identifier: MIT
// Stands in the bundle's libresnetft for what needs oneDNN, which is larger than all the rest.
#include "infer/onednn/onednn_engine.h"

namespace resnetft {

Result<std::shared_ptr<const Engine>> create_onednn_engine(const Model&, const EngineSpec&) {
  // Incompatible: the reference engine, of LibTorch, takes its place.
  return Error{ErrorCode::Incompatible, "the engine onednn is not in the bundle of the GPU tests", "use device cuda"};
}

}  // namespace resnetft
