// SPDX-License-Identifier: MIT
// Each test works in threads of its own, for counts belong to threads. The test program holds the same LibTorch as
// the torch module, so that at:: tells what the module did.
#include "device/thread_budget.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <mutex>
#include <set>
#include <thread>

#include "device/torch_module.h"

// LibTorch's MKL, where it has one.
extern "C" int MKL_Get_Max_Threads() __attribute__((weak));

namespace resnetft {
namespace {

struct Counts {
  int openmp;
  int aten;
  int mkl;
  auto operator<=>(const Counts&) const = default;
};

// ATen's first: its first call in a thread sets the others.
Counts counts_here() {
  const int aten = at::get_num_threads();
  return {omp_get_max_threads(), aten, MKL_Get_Max_Threads ? MKL_Get_Max_Threads() : aten};
}

template <class Body>
auto in_new_thread(Body body) {
  decltype(body()) result;
  std::thread([&] { result = body(); }).join();
  return result;
}

class ThreadBudgetWithTorch : public testing::Test {
 protected:
  void SetUp() override {
    const Result<const TorchModule*> module = torch_module();
    ASSERT_TRUE(module.ok()) << to_string(module.error());
  }
};

TEST_F(ThreadBudgetWithTorch, SetsOpenMpAtenAndMkl) {
  for (const int threads : {1, 3}) {
    const Counts counts = in_new_thread([threads] {
      ThreadBudget(threads).apply();
      return counts_here();
    });
    EXPECT_EQ(counts.openmp, threads);
    EXPECT_EQ(counts.aten, threads);
    EXPECT_EQ(counts.mkl, threads);
  }
}

TEST_F(ThreadBudgetWithTorch, ParallelRegionsOfAtenUseThatManyThreads) {
  for (const int threads : {1, 2, 3}) {
    const size_t used = in_new_thread([threads] {
      ThreadBudget(threads).apply();
      std::mutex lock;
      std::set<std::thread::id> ids;
      at::parallel_for(0, 64, 1, [&](int64_t, int64_t) {
        const std::scoped_lock guard(lock);
        ids.insert(std::this_thread::get_id());
      });
      return ids.size();
    });
    EXPECT_EQ(used, static_cast<size_t>(threads));
  }
}

TEST_F(ThreadBudgetWithTorch, ThreadsBornDuringAndAfterKeepTheProcessDefault) {
  const Counts process_default = in_new_thread(counts_here);
  const Counts during = in_new_thread([&] {
    ThreadBudget(process_default.openmp + 1).apply();
    return in_new_thread(counts_here);
  });
  EXPECT_EQ(during, process_default);
  EXPECT_EQ(in_new_thread(counts_here), process_default);
}

TEST_F(ThreadBudgetWithTorch, TheApplicationsOwnCountForNewThreadsDoesNotOverruleABudget) {
  const int process_default = in_new_thread(counts_here).aten;
  in_new_thread([&] {
    at::set_num_threads(process_default + 2);  // as torch.set_num_threads() in a Python program
    return 0;
  });
  const Counts counts = in_new_thread([&] {
    ThreadBudget(process_default + 1).apply();
    return counts_here();
  });
  const int of_new_threads = in_new_thread(counts_here).aten;
  in_new_thread([&] {
    at::set_num_threads(process_default);
    return 0;
  });
  EXPECT_EQ(counts.aten, process_default + 1);
  EXPECT_EQ(counts.openmp, process_default + 1);
  EXPECT_EQ(of_new_threads, process_default + 2);
}

TEST_F(ThreadBudgetWithTorch, TheLastOfTwoBudgetsHolds) {
  const Counts counts = in_new_thread([] {
    ThreadBudget(3).apply();
    ThreadBudget(1).apply();
    return counts_here();
  });
  EXPECT_EQ(counts, (Counts{1, 1, 1}));
}

TEST(ThreadBudget, CountsBelowOneAreOne) {
  EXPECT_EQ(ThreadBudget(0).threads(), 1);
  EXPECT_EQ(ThreadBudget(-5).threads(), 1);
  EXPECT_EQ(ThreadBudget(4).threads(), 4);
}

}  // namespace
}  // namespace resnetft
