// SPDX-License-Identifier: MIT
#include "device/wait_choice.h"

#include <gtest/gtest.h>
#include <omp.h>
#include <time.h>

#include <thread>

#include "device/parallel_run.h"
#include "tests/support/wait_until.h"

namespace resnetft {
namespace {

using std::chrono::milliseconds, std::chrono::seconds, std::chrono::minutes;

// Runs of 20 ms, one after the other.
class Runs {
 public:
  void undisturbed(int count) { add(count, milliseconds(20)); }
  void disturbed(int count) { add(count, milliseconds(15)); }
  void let_pass(WaitChoice::Duration time) { now_ += time; }
  bool sleeps() const { return choice_.sleeps(); }

 private:
  void add(int count, WaitChoice::Duration cpu) {
    for (int i = 0; i < count; ++i) choice_.add(milliseconds(20), cpu, now_ += milliseconds(20));
  }
  WaitChoice choice_;
  WaitChoice::Duration now_ = seconds(100);
};

TEST(WaitChoice, ThreadsSpinWhileNobodyDisturbs) {
  Runs runs;
  runs.undisturbed(1000);
  EXPECT_FALSE(runs.sleeps());
}

TEST(WaitChoice, OneDisturbedRunIsChanceAndTwoInARowAreNot) {
  Runs runs;
  runs.disturbed(1);
  runs.undisturbed(1);
  runs.disturbed(1);
  EXPECT_FALSE(runs.sleeps());
  runs.disturbed(1);
  EXPECT_TRUE(runs.sleeps());
}

TEST(WaitChoice, ALossBelowAMillisecondOrAnEighthIsNoDisturbance) {
  WaitChoice choice;
  for (int i = 0; i < 10; ++i) choice.add(milliseconds(2), milliseconds(1), seconds(i + 1));
  for (int i = 0; i < 10; ++i) choice.add(milliseconds(80), milliseconds(70), seconds(i + 20));
  EXPECT_FALSE(choice.sleeps());
}

TEST(WaitChoice, AfterTwoSecondsOfSleepTheyTryAgain) {
  Runs runs;
  runs.disturbed(2);
  runs.undisturbed(99);  // 1.98 s
  EXPECT_TRUE(runs.sleeps());
  runs.undisturbed(1);
  EXPECT_FALSE(runs.sleeps());
}

TEST(WaitChoice, EachTrialThatGoesWrongAtOnceDoublesTheSleepUpToTenMinutes) {
  Runs runs;
  runs.disturbed(2);
  for (const int count : {2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600}) {
    const seconds sleep(count);
    runs.let_pass(sleep - milliseconds(40));
    runs.undisturbed(1);
    EXPECT_TRUE(runs.sleeps()) << sleep.count();
    runs.undisturbed(1);
    EXPECT_FALSE(runs.sleeps()) << sleep.count();
    runs.disturbed(2);
  }
}

TEST(WaitChoice, AGoodSpellMakesTheNextSleepShortAgain) {
  Runs runs;
  runs.disturbed(2);
  runs.let_pass(seconds(2));
  runs.undisturbed(1);
  runs.disturbed(2);  // now for 4 s
  runs.let_pass(seconds(4));
  runs.undisturbed(1);
  runs.let_pass(seconds(31));
  runs.disturbed(2);
  runs.let_pass(seconds(2));
  runs.undisturbed(1);
  EXPECT_FALSE(runs.sleeps());
}

double process_cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// What a thread burns that waits for another, twenty times for 20 ms.
double burnt_while_waiting() {
  const double before = process_cpu_seconds();
  for (int i = 0; i < 20; ++i) {
#pragma omp parallel num_threads(2)
    {
      if (omp_get_thread_num() == 0) std::this_thread::sleep_for(milliseconds(20));
    }
  }
  return process_cpu_seconds() - before;
}

// A calling thread that sleeps looks like one that was kept from the processor. The team that makes the others sleep is
// called in a thread of its own, which may come late, and let go after two seconds.
TEST(ParallelRun, AfterDisturbedRunsAThreadThatWaitsForAnotherSleeps) {
  EXPECT_TRUE(testing::wait_until([] {
    for (int i = 0; i < 2; ++i) {
      const ParallelRun run(2);
      std::this_thread::sleep_for(milliseconds(5));
    }
    return burnt_while_waiting() < 0.02;
  }));
}

TEST(ParallelRun, SetsTheThreadsOfTheRun) {
  const ParallelRun run(3);
  EXPECT_EQ(omp_get_max_threads(), 3);
}

}  // namespace
}  // namespace resnetft
