// SPDX-License-Identifier: MIT
// What a learner says during ft-tool live: a line each for people as it happens, and all of it as JSON at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json_text.h"
#include "live/learner.h"
#include "resnetft/error.h"

namespace resnetft::tool {

// "0:12.340"
std::string clock_text(uint64_t time_ns);

class LiveLog {
 public:
  // `prints`: lines go to the standard output.
  explicit LiveLog(bool prints) : prints_(prints) {}

  // Where the recording is: the time of what follows.
  void set_time(uint64_t time_ns) { time_ns_ = time_ns; }
  void take(const LearnerEvent& event);
  void say_line(const std::string& text);

  const OrderedJson& gates() const { return gates_; }
  const OrderedJson& generations() const { return generations_; }
  uint64_t runs() const { return runs_; }
  // What went wrong in training or in writing, the first of it; a learner goes on all the same.
  const std::optional<Error>& failure() const { return failure_; }
  // Why the last request for training led to no run.
  const std::string& not_trained() const { return not_trained_; }

 private:
  void on(const SampleStored&) {}
  void on(const LabelRequest&) {}
  void on(const TrainStarted& started);
  void on(const EpochEnded&) {}
  void on(const Gated& gated);
  void on(const Promoted& promoted);
  void on(const RolledBack& back);
  void on(const CheckpointWritten& written);
  void on(const NotTrained& reason);
  void on(const LearnerFailed& failed);
  void fail(const Error& error);

  bool prints_;
  uint64_t time_ns_ = 0;
  uint64_t runs_ = 0;
  OrderedJson gates_ = OrderedJson::array();
  OrderedJson generations_ = OrderedJson::array();
  std::optional<Error> failure_;
  std::string not_trained_;
};

OrderedJson counts_to_json(const StoreCounts& counts);

}  // namespace resnetft::tool
