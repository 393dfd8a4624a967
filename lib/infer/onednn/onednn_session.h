// SPDX-License-Identifier: MIT
// What one caller of the oneDNN engine needs: input, activations, scratchpad, outputs, all allocated once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "infer/engine.h"
#include "infer/onednn/plan.h"

namespace resnetft::onednn {

struct SessionShape {
  size_t picture = 0;  // floats of one input
  size_t features = 0;
  size_t classes = 0;
  int max_batch = 1;
  int threads = 1;
};

// `plans`, the largest batch first, belong to `engine`, which the session keeps alive. OutOfMemory or Internal.
Result<std::unique_ptr<Session>> create_onednn_session(std::shared_ptr<const Engine> engine, const dnnl::engine& device,
                                                       const std::vector<Plan>& plans, const SessionShape& shape);

// Calls `function`, which returns a Result or Status, and answers OutOfMemory or Internal where it throws.
template <class Function>
auto guarded(const std::string& what, Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_out_of_memory) return Error{ErrorCode::Internal, what + ": oneDNN: " + error.what(), ""};
  } catch (const std::bad_alloc&) {
  } catch (const std::exception& error) {
    return Error{ErrorCode::Internal, what + ": " + error.what(), ""};
  }
  return Error{ErrorCode::OutOfMemory, what + ": there is not enough memory", "use a smaller batch or input"};
}

}  // namespace resnetft::onednn
