// SPDX-License-Identifier: MIT
// What takes minutes of resnetfinetune: suite `long`. Measured figures are printed.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>

#include "finetune_random.h"

namespace resnetft::testing {
namespace {

class FinetuneLong : public FinetuneTest {};

constexpr int kFrameInterval_us = 33333;
constexpr gint64 kTrainInterval_us = 10 * G_USEC_PER_SEC;

gint64 soak_us() {
  const char* seconds = std::getenv("RESNETFT_SOAK_SECONDS");
  return (seconds ? std::atoll(seconds) : 1800) * G_USEC_PER_SEC;
}

size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_F(FinetuneLong, AThousandSequencesOfChangesFromSeveralThreadsLoseNoFrame) {
  run_random_sequences(1000, color_file());
}

// What the specification asks for on AVX2; on AVX-512 half of it. Needs a quiet machine.
TEST_F(FinetuneLong, SamplingEveryFrameAt1080pTakesAtMostThreeMillisecondsInNinetyNineOfAHundred) {
  FinetuneHarness harness(properties({{"label", "x"}, {"train", "off"}, {"instant-head", "off"}}),
                          rgb_caps(1920, 1080));
  std::vector<double> sampled, passed;
  for (uint64_t index = 0; index < 600; ++index) {
    if (index == 300) harness.set("sample-interval", "1000000");
    GstBuffer* frame = rgb_frame(kRed, 1920, 1080, index);
    const gint64 start = g_get_monotonic_time();
    GstBuffer* out = harness.process(frame);
    (index < 300 ? sampled : passed).push_back(static_cast<double>(g_get_monotonic_time() - start) / 1000);
    gst_buffer_unref(out);
    harness.messages();
    g_usleep(kFrameInterval_us);
  }
  std::ranges::sort(sampled);
  std::ranges::sort(passed);
  std::printf("1080p: sampled p50 %.2f ms, p99 %.2f ms; not sampled p50 %.3f ms, p99 %.3f ms\n", sampled[150],
              sampled[296], passed[150], passed[296]);
  EXPECT_LE(sampled[296], 3);
}

// The store is full, the ring has gone round and every kind of run has been seen after a third of the time.
TEST_F(FinetuneLong, MemoryIsFlatOverASoakWithARunEveryTenSeconds) {
  FinetuneHarness harness(properties({{"replay-capacity", "200"}, {"candidate-ring-bytes", "1048576"}}));
  const gint64 start = g_get_monotonic_time(), length = soak_us();
  gint64 next_run = start + kTrainInterval_us;
  std::map<std::string, unsigned> heard;
  size_t at_a_third = 0, peak_after = 0;
  uint64_t frames = 0;
  for (gint64 now = start; now < start + length; now = g_get_monotonic_time(), ++frames) {
    const bool warm = frames / 60 % 2 == 0;
    if (frames % 60 == 0) harness.set("label", warm ? "warm" : "cold");
    ASSERT_TRUE(harness.frame(warm));
    if (now >= next_run) {
      act(harness.element(), "train-now");
      next_run += kTrainInterval_us;
    }
    for (const BusMessage& message : harness.messages()) ++heard[message.event];
    if (now >= start + length / 3 && at_a_third == 0) at_a_third = resident_bytes();
    if (at_a_third != 0) peak_after = std::max(peak_after, resident_bytes());
    g_usleep(kFrameInterval_us);
  }
  for (const auto& [event, count] : heard) std::printf("%s: %u\n", event.c_str(), count);
  std::printf("%llu frames; resident: %zu KiB after a third, at most %zu KiB later\n",
              static_cast<unsigned long long>(frames), at_a_third / 1024, peak_after / 1024);
  EXPECT_EQ(heard["error"], 0U);
  EXPECT_GT(heard["train-started"], 0U);
  EXPECT_GT(heard["promoted"], 0U);
  EXPECT_LT(peak_after, at_a_third + at_a_third / 10 + (size_t{16} << 20));
}

}  // namespace resnetft::testing
