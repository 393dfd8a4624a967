// SPDX-License-Identifier: MIT
// Frames that a session of the CUDA engine preprocesses on a real GPU, against the CPU's preprocessing. The frames that
// GStreamer keeps in a GPU's memory are in tests/element/gpu_memory_test.cpp.
#include <thread>

#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "tests/gpu/gpu_required.h"
#include "tests/gpu/net_cases.h"
#include "tests/gpu/on_gpu.h"
#include "tests/support/preprocess_case.h"

namespace resnetft {
namespace {

using testing::NetCase;
using testing::OnGpu;
using testing::Picture;
using testing::PreprocessCase;
using testing::Random;

constexpr NetCase kNet = {"resnet18", 64, 48};

std::vector<float> logits_of(const Session& session, int index = 0) {
  const std::span<const float> logits = session.logits(index);
  return {logits.begin(), logits.end()};
}

PreprocessSpec crop_of(PreprocessSpec spec) {
  spec.crop_width = kNet.width;
  spec.crop_height = kNet.height;
  return spec;
}

class GpuFrames : public ::testing::Test {
 protected:
  void SetUp() override {
    RESNETFT_NEEDS_GPU(choose_device("cuda"));
    RESNETFT_NEEDS_GPU((*cuda_module())->check_inference());
    const EngineSpec spec{
        .width = kNet.width, .height = kNet.height, .max_batch = 4, .precision = Precision::Fp16, .device = {true, 0}};
    const auto engine = (*cuda_module())->create_engine(testing::card_of(kNet), testing::weights_of(kNet), spec);
    ASSERT_TRUE(engine.ok()) << to_string(engine.error());
    engine_ = *engine;
  }

  std::unique_ptr<FrameSession> frame_session(const PreprocessSpec& spec) const {
    Result<std::unique_ptr<FrameSession>> session = engine_->create_frame_session(spec);
    EXPECT_TRUE(session.ok()) << (session.ok() ? "" : to_string(session.error()));
    return session.ok() ? std::move(*session) : nullptr;
  }

  static std::vector<float> expected_logits(Session& session, const PreprocessSpec& spec, const ImageView& view) {
    EXPECT_TRUE(Preprocessor::create(spec)->to_tensor(view, session.input(0), TensorLayout::Nhwc).ok());
    EXPECT_TRUE(session.run(1).ok());
    return logits_of(session);
  }

  std::shared_ptr<const Engine> engine_;
};

// The same input to the bit, through the same graph.
TEST_F(GpuFrames, GiveTheLogitsOfTheCpusPreprocessingToTheBit) {
  const std::unique_ptr<Session> floats = engine_->create_session().value();
  Random random(61);
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    const PreprocessCase one = testing::random_case(random);
    const PreprocessSpec spec = crop_of(one.spec);
    const std::vector<float> expected = expected_logits(*floats, spec, one.picture.view);
    const std::unique_ptr<FrameSession> session = frame_session(spec);
    ASSERT_NE(session, nullptr);
    const OnGpu copy(one.picture);
    for (const ImageView& view : {one.picture.view, copy.view()}) {
      ASSERT_TRUE(session->take(0, view).ok());
      ASSERT_TRUE(session->run(1).ok());
      EXPECT_EQ(logits_of(*session), expected) << one.text();
    }
  }
}

TEST_F(GpuFrames, OfABatchMayComeFromBothMemoriesInAnyShape) {
  const std::unique_ptr<Session> floats = engine_->create_session().value();
  const PreprocessSpec spec = crop_of({.resize = 64});
  const std::unique_ptr<FrameSession> session = frame_session(spec), alone = frame_session(spec);
  ASSERT_NE(session, nullptr);
  Random random(62);
  for (int round = 0; round < 50; ++round) {
    std::vector<Picture> pictures;
    for (int i = 0; i < 4; ++i) pictures.push_back(testing::random_case(random).picture);
    const OnGpu third(pictures[2]);
    for (int i = 0; i < 4; ++i)
      ASSERT_TRUE(session->take(i, i == 2 ? third.view() : pictures[static_cast<size_t>(i)].view).ok());
    ASSERT_TRUE(session->run(4).ok());
    // Another batch size may take another algorithm, and each is within 1e-2 of the floats after 18 layers of halfs.
    for (int i = 0; i < 4; ++i) {
      const std::vector<float> expected = expected_logits(*floats, spec, pictures[static_cast<size_t>(i)].view);
      const std::vector<float> logits = logits_of(*session, i);
      float largest = 0;
      for (const float value : expected) largest = std::max(largest, std::abs(value));
      for (size_t at = 0; at < expected.size(); ++at) ASSERT_NEAR(logits[at], expected[at], 0.02f * largest);
    }
  }
}

// More than is packed at once, and a picture that alone is more.
TEST_F(GpuFrames, OfALargeBatchGiveTheBitsOfEachAlone) {
  const PreprocessSpec spec = crop_of({.resize = 64});
  const std::unique_ptr<FrameSession> session = frame_session(spec), other = frame_session(spec);
  ASSERT_NE(session, nullptr);
  ASSERT_NE(other, nullptr);
  Random random(64);
  std::vector<Picture> pictures;
  for (const int width : {1920, 4096, 1920, 1280})
    pictures.push_back(testing::random_picture(random, PixelFormat::Rgba, width, width * 9 / 16));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(session->take(i, pictures[static_cast<size_t>(i)].view).ok());
    ASSERT_TRUE(session->run(4).ok());
    for (int i = 0; i < 4; ++i) {  // the same graph, each picture copied alone
      const OnGpu copy(pictures[static_cast<size_t>(i)]);
      ASSERT_TRUE(other->take(i, copy.view()).ok());
      ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    }
    ASSERT_TRUE(other->run(4).ok());
    for (int i = 0; i < 4; ++i) ASSERT_EQ(logits_of(*session, i), logits_of(*other, i)) << i;
  }
}

TEST_F(GpuFrames, FourThreadsAtOnceGiveTheBitsOfOne) {
  Random random(63);
  const PreprocessSpec spec = crop_of({.resize = 64});
  std::vector<Picture> pictures;
  for (int i = 0; i < 32; ++i) pictures.push_back(testing::random_picture(random, PixelFormat::Nv12, 640, 360));
  std::vector<std::vector<float>> alone(pictures.size()), together(pictures.size());
  const auto judge = [&](size_t first, size_t step, std::vector<std::vector<float>>& results) {
    const std::unique_ptr<FrameSession> session = frame_session(spec);
    for (size_t i = first; session && i < pictures.size(); i += step)
      if (session->take(0, pictures[i].view) && session->run(1)) results[i] = logits_of(*session);
  };
  judge(0, 1, alone);
  std::vector<std::jthread> threads;
  for (size_t t = 0; t < 4; ++t) threads.emplace_back([&, t] { judge(t, 4, together); });
  threads.clear();
  EXPECT_NE(alone.front(), alone.back());
  EXPECT_EQ(together, alone);
}

TEST_F(GpuFrames, ThePrimaryContextIsTheRuntimesOwn) {
  const Result<void*> first = (*cuda_module())->primary_context(0), second = (*cuda_module())->primary_context(0);
  ASSERT_TRUE(first.ok()) << to_string(first.error());
  EXPECT_NE(*first, nullptr);
  EXPECT_EQ(*first, second.value());
}

}  // namespace
}  // namespace resnetft
