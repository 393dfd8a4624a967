// SPDX-License-Identifier: MIT
#include "data/visit.h"

#include <atomic>
#include <exception>
#include <string>
#include <thread>

namespace resnetft {
namespace {

struct Visit {
  const Dataset& data;
  const ReduceBy& reduce_by;
  const VisitPicture& visit;
  std::atomic<size_t> next = 0, done = 0;
  std::atomic<bool> stopping = false, failed = false;

  // False: there is none left.
  bool step() try {
    const size_t index = stopping ? data.size() : next++;
    if (index >= data.size()) return false;
    visit(index, data.get(index, reduce_by));
    ++done;
    return true;
  } catch (const std::exception&) {
    stopping = failed = true;
    return false;
  }
};

Error failure(const Dataset& data, const std::string& reason) {
  return {ErrorCode::OutOfMemory, "visiting " + std::to_string(data.size()) + " pictures: " + reason,
          "use fewer workers"};
}

}  // namespace

Status visit_pictures(const Dataset& data, unsigned workers, const ReduceBy& reduce_by, const VisitPicture& visit,
                      const VisitProgress& progress) try {
  Visit state{data, reduce_by, visit};
  bool cancelled = false;
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < workers; ++i)
      threads.emplace_back([&] {
        while (state.step()) {
        }
      });
    while (state.step())
      if (progress && !progress(state.done)) cancelled = state.stopping = true;
  }
  if (state.failed) return failure(data, "memory ran out");
  if (cancelled) return Error{ErrorCode::Cancelled, "the visit of the pictures was stopped", ""};
  return Status::success();
} catch (const std::exception& exception) {
  return failure(data, exception.what());
}

}  // namespace resnetft
