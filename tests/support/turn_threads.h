// SPDX-License-Identifier: MIT
// A block of a kernel's threads on the host.
#pragma once

namespace resnetft::testing {

// All threads of a block, in turn: what each keeps for itself stands in an array. Every other time they take their
// turns backwards, so that a thread that relies on what another does before the same wait is found out.
template <int kCount>
struct TurnThreads {
  template <class T>
  struct PerThread {
    T values[kCount];
    T& operator[](int thread) { return values[thread]; }
  };

  template <class Work>
  void run(const Work& work) {
    for (int turn = 0; turn < kCount; ++turn) work(backwards_ ? kCount - 1 - turn : turn);
    backwards_ = !backwards_;
  }

 private:
  bool backwards_ = false;
};

}  // namespace resnetft::testing
