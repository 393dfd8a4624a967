// SPDX-License-Identifier: MIT
// What takes minutes, or a quiet machine: suite `long`. Measured figures are printed.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "element_harness.h"

namespace resnetft::testing {
namespace {

using LongTest = ElementTest;
using Clock = std::chrono::steady_clock;

double transform_ms(ElementHarness& harness, uint64_t index) {
  GstBuffer* frame = rgb_frame(kRed, 32, 32, index);
  const Clock::time_point start = Clock::now();
  GstBuffer* out = harness.process(frame);
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  gst_buffer_unref(out);
  return ms;
}

double percentile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

guint64 generation_of(const ElementHarness& harness) {
  guint64 generation = 0;
  g_object_get(harness.element(), "model-generation", &generation, nullptr);
  return generation;
}

}  // namespace

// Frames come 30 times a second, as from a camera.
TEST_F(LongTest, TheLongestTransformOverTwentySwapsIsAtMostOneAndAHalfTimesTheP99Before) {
  const std::array files = {save("a.safetensors", color_model({.size = 160})),
                            save("b.safetensors", color_model({.size = 160, .bias = {1, 0, 0}}))};
  ElementHarness harness({{"model-file", files[0]}, {"skip-late", "false"}, {"post-messages", "never"}});
  std::vector<double> before, during;
  uint64_t index = 0;
  const auto frame = [&](std::vector<double>& times) {
    const Clock::time_point next = Clock::now() + std::chrono::milliseconds(33);
    times.push_back(transform_ms(harness, index++));
    std::this_thread::sleep_until(next);
  };
  for (int i = 0; i < 300; ++i) frame(before);
  for (guint64 swap = 1; swap <= 20; ++swap) {
    gboolean accepted = FALSE;
    g_signal_emit_by_name(harness.element(), "load-model", files[swap % 2].c_str(), &accepted);
    while (generation_of(harness) < swap + 1) frame(during);
    for (int i = 0; i < 5; ++i) frame(during);
  }
  const double p99 = percentile(before, 0.99), longest = *std::ranges::max_element(during);
  std::printf(
      "transform: p50 %.1f ms, p99 before %.1f ms; during %zu frames p50 %.1f ms, longest %.1f ms (%.2f times)\n",
      percentile(before, 0.5), p99, during.size(), percentile(during, 0.5), longest, longest / p99);
  EXPECT_LE(longest, 1.5 * p99);
}

TEST_F(LongTest, MemoryGrowsLessThanAMebibyteFromFrame10000To100000) {
  ElementHarness harness({{"model-file", color_file()}, {"threads", "1"}, {"post-messages", "always"}});
  size_t at_start = 0;
  for (uint64_t index = 0; index < 100000; ++index) {
    GstBuffer* out = harness.process(rgb_frame(index % 3 ? kRed : kBlue, 32, 32, index));
    ASSERT_NE(out, nullptr);
    gst_buffer_unref(out);
    harness.messages();
    while (GstEvent* event = gst_harness_try_pull_upstream_event(harness.get())) gst_event_unref(event);
    if (index == 10000) at_start = resident_bytes();
  }
  const size_t at_end = resident_bytes();
  std::printf("resident: %zu KiB at frame 10,000, %zu KiB at frame 100,000\n", at_start / 1024, at_end / 1024);
  EXPECT_LT(at_end, at_start + 1024 * 1024);
}

// The least of a hundred swaps: a loader thread at work holds 2 MiB more for a moment.
TEST_F(LongTest, MemoryGrowsLessThanAMebibyteOverAThousandSwaps) {
  const std::array files = {save("a.safetensors", stubborn_model("a")), save("b.safetensors", stubborn_model("b"))};
  ElementHarness harness({{"model-file", files[0]}, {"threads", "1"}});
  size_t at_start = SIZE_MAX, at_end = SIZE_MAX;
  for (guint64 swap = 1; swap <= 1000; ++swap) {
    gboolean accepted = FALSE;
    g_signal_emit_by_name(harness.element(), "load-model", files[swap % 2].c_str(), &accepted);
    while (generation_of(harness) < swap + 1) {
      harness.label_of(kRed);
      harness.messages();
    }
    if (swap > 100 && swap <= 200) at_start = std::min(at_start, resident_bytes());
    if (swap > 900) at_end = std::min(at_end, resident_bytes());
  }
  std::printf("resident: %zu KiB after 100 swaps, %zu KiB after 900\n", at_start / 1024, at_end / 1024);
  EXPECT_LT(at_end, at_start + 1024 * 1024);
}

}  // namespace resnetft::testing
