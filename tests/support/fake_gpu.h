// SPDX-License-Identifier: MIT
// A GPU that is the host: CUDA's runtime and the launches, as far as the engine calls them, on the process' own memory.
// In place of the runtime and nvcc's objects it makes a whole CUDA module (tests/cli/cuda_test.py); FAKE_GPU_MEMORY is
// then how many bytes there are. Work on a stream is done at once, or recorded while a graph is captured. Memory is
// handed out full of NaNs, so that a value that nobody wrote is seen in the logits.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace resnetft::testing {

struct FakeWork {
  std::function<void()> run;
  float milliseconds = 1;  // that it takes by the fake's clock
};

// What a cudaStream_t points at.
struct FakeStream {
  std::vector<FakeWork>* recording = nullptr;
  const void* timing = nullptr;  // the event that began it, until another: what is queued need not be done
  bool computes = true;
  float clock = 0;

  void queue(FakeWork work) {
    if (recording)
      recording->push_back(std::move(work));
    else
      take(work);
  }
  void take(const FakeWork& work) {
    clock += work.milliseconds;
    if (!timing && computes) work.run();
  }
};

// The fake's primary context, a CUcontext. It lets copies come from any other.
inline void* const kFakePrimaryContext = reinterpret_cast<void*>(0x1000);

// What happened since reset(), and what shall happen.
struct FakeGpu {
  size_t memory_bytes = size_t{8} << 30;
  size_t taken_bytes = 0;  // of the GPU's memory
  int objects = 0;         // that live: memory, pinned memory, streams, events, graphs
  int allocations = 0;
  int copies_to_gpu = 0, copies_from_gpu = 0;  // that were queued
  int copies_between_contexts = 0;
  std::vector<size_t> launched;  // for each graph that was launched, how much work it held
  int calls = 0;
  bool computes = true;  // false: work is queued, and never done
  int failing_call = 0;  // the number of the call that fails; 0: none does
};

FakeGpu& fake_gpu();  // shared by all threads; set it up before they start

}  // namespace resnetft::testing
