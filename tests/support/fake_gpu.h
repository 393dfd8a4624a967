// SPDX-License-Identifier: MIT
// A GPU that is the host: CUDA's runtime and the launches, as far as the engine calls them, on the process' own memory.
// In place of the runtime and nvcc's objects it makes a whole CUDA module (tests/cli/cuda_test.py); FAKE_GPU_MEMORY is
// then how many bytes there are. Work on a stream is done as late as may be, when somebody waits for it, or recorded
// while a graph is captured: memory that is written again too early is seen in the logits, and so is a value that
// nobody wrote, for memory is handed out full of NaNs.
#pragma once

#include <cstddef>
#include <deque>
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
  std::deque<FakeWork> waiting = {};
  size_t done = 0;  // before what waits

  void queue(FakeWork work) {
    if (recording) return recording->push_back(std::move(work));
    clock += work.milliseconds;
    if (!timing && computes) waiting.push_back(std::move(work));
  }
  size_t queued() const { return done + waiting.size(); }
  void finish(size_t count) {
    for (; done < count; ++done, waiting.pop_front()) waiting.front().run();
  }
};

// GPUs of the process, which share the memory. Their primary contexts, CUcontexts, let copies come from any other.
inline constexpr int kFakeGpus = 2;
inline void* fake_primary_context(int ordinal) { return reinterpret_cast<void*>(0x1000 + ordinal); }

inline constexpr int kFakeLeastPriority = 0, kFakeGreatestPriority = -5;  // of streams

// What happened since reset(), and what shall happen.
struct FakeGpu {
  size_t memory_bytes = size_t{8} << 30;
  size_t taken_bytes = 0;  // of the GPU's memory
  int objects = 0;         // that live: memory, pinned memory, streams, events, graphs
  int allocations = 0;
  size_t pinned_bytes = 0;                     // that were ever taken
  std::vector<int> priorities;                 // of the streams that were made
  int frames = 0;                              // that the frame kernel was launched for
  int copies_to_gpu = 0, copies_from_gpu = 0;  // that were queued
  int copies_between_contexts = 0;
  int timings = 0;               // of work between two events
  std::vector<size_t> launched;  // for each graph that was launched, how much work it held
  int calls = 0;
  int calls_without_context = 0;  // by a thread that had none
  bool computes = true;           // false: work is queued, and never done
  int failing_call = 0;           // the number of the call that fails; 0: none does
  int spoilt_recordings = 0;      // that shall end as where another thread waits for the whole GPU
};

FakeGpu& fake_gpu();  // shared by all threads; set it up before they start

}  // namespace resnetft::testing
