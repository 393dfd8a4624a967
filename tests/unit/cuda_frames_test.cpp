// SPDX-License-Identifier: MIT
// Frames preprocessed by a session of the CUDA engine, on a GPU that is the host (tests/support/fake_gpu.h), against
// the CPU's Preprocessor. A real one: tests/gpu.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>

#include "device/cuda/cuda_context.h"
#include "device/cuda/cuda_preprocessor.h"
#include "device/cuda/frame_upload.h"
#include "image/geometry.h"
#include "infer/cuda/cuda_engine.h"
#include "tests/support/direct_network.h"
#include "tests/support/fake_gpu.h"
#include "tests/support/preprocess_case.h"

namespace resnetft {
namespace {

using testing::fake_gpu;
using testing::Picture;
using testing::PreprocessCase;
using testing::Random;

constexpr int64_t kClasses = 10;
constexpr int kCropWidth = 33, kCropHeight = 32;

// Found by its soname from now on.
[[maybe_unused]] const bool kCudnnIsFake = dlopen(RESNETFT_FAKE_CUDNN, RTLD_NOW | RTLD_LOCAL) != nullptr;

PreprocessSpec crop_of(PreprocessSpec spec = {.resize = 40}) {
  spec.crop_width = kCropWidth;
  spec.crop_height = kCropHeight;
  return spec;
}

std::vector<float> logits_of(Session& session, int index = 0) {
  const std::span<const float> logits = session.logits(index);
  return {logits.begin(), logits.end()};
}

// What `view` becomes once its planes are said to lie in a GPU's memory, which is the host's here.
ImageView on_gpu(ImageView view, int gpu = 0, void* context = nullptr) {
  view.memory = {MemoryKind::Cuda, gpu, context};
  return view;
}

class CudaFrames : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(kCudnnIsFake) << dlerror();
    fake_gpu() = {};
  }
  void TearDown() override {
    EXPECT_EQ(fake_gpu().objects, 0) << "memory, streams, events or graphs are left";
    EXPECT_EQ(fake_gpu().calls_without_context, 0);
  }

  static Result<std::shared_ptr<const Engine>> try_engine(int max_batch = 1, bool background = false) {
    ModelCard card;
    card.architecture = "resnet20";
    card.num_classes = kClasses;
    const EngineSpec spec{.width = kCropWidth,
                          .height = kCropHeight,
                          .max_batch = max_batch,
                          .precision = Precision::Fp16,
                          .device = {true, 0},
                          .background = background};
    return create_cuda_engine(card, testing::trained_weights("resnet20", kClasses, 5), spec);
  }

  static std::unique_ptr<FrameSession> frame_session(const Engine& engine, const PreprocessSpec& spec) {
    Result<std::unique_ptr<FrameSession>> session = engine.create_frame_session(spec);
    EXPECT_TRUE(session.ok()) << (session.ok() ? "" : to_string(session.error()));
    return session.ok() ? std::move(*session) : nullptr;
  }

  // By way of the CPU's Preprocessor.
  static std::vector<float> expected_logits(const Engine& engine, const PreprocessSpec& spec, const ImageView& view) {
    const std::unique_ptr<Session> session = engine.create_session().value();
    EXPECT_TRUE(Preprocessor::create(spec)->to_tensor(view, session->input(0), engine.layout()).ok());
    EXPECT_TRUE(session->run(1).ok());
    return logits_of(*session);
  }
};

TEST_F(CudaFrames, InTheBackgroundAllStreamsHaveTheLowestPriorityElseTheHighest) {
  for (const bool background : {false, true}) {
    fake_gpu() = {};
    const std::shared_ptr<const Engine> engine = try_engine(1, background).value();
    frame_session(*engine, crop_of());
    EXPECT_TRUE(engine->create_session().ok());
    const int priority = background ? testing::kFakeLeastPriority : testing::kFakeGreatestPriority;
    EXPECT_EQ(fake_gpu().priorities, std::vector<int>(3, priority)) << background;  // the engine's and the sessions'
  }
}

TEST_F(CudaFrames, GiveTheLogitsOfTheCpusPreprocessingToTheBit) {
  const std::shared_ptr<const Engine> engine = try_engine().value();
  Random random(51);
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    const PreprocessCase one = testing::random_case(random);
    const PreprocessSpec spec = crop_of(one.spec);
    const std::vector<float> expected = expected_logits(*engine, spec, one.picture.view);
    const std::unique_ptr<FrameSession> session = frame_session(*engine, spec);
    for (const ImageView& view : {one.picture.view, on_gpu(one.picture.view), on_gpu(one.picture.view, 0, &random)}) {
      ASSERT_TRUE(session->take(0, view).ok());
      ASSERT_TRUE(session->run(1).ok());
      EXPECT_EQ(logits_of(*session), expected) << one.text();
    }
  }
}

TEST_F(CudaFrames, OfAStreamMayChangeTheirShape) {
  const std::shared_ptr<const Engine> engine = try_engine(3).value();
  const PreprocessSpec spec = crop_of();
  const std::unique_ptr<FrameSession> session = frame_session(*engine, spec);
  Random random(52);
  for (int round = 0; round < 10; ++round) {
    std::vector<Picture> pictures;
    for (int i = 0; i < 3; ++i) {
      pictures.push_back(testing::random_case(random).picture);
      ASSERT_TRUE(session->take(i, pictures.back().view).ok());
    }
    ASSERT_TRUE(session->run(3).ok());
    for (int i = 0; i < 3; ++i) {
      const std::shared_ptr<const Engine> one = engine;
      EXPECT_EQ(logits_of(*session, i), expected_logits(*one, spec, pictures[static_cast<size_t>(i)].view)) << i;
    }
  }
}

// How often a batch of such pictures is copied to the GPU, once everything of its shape is there, and what it takes.
class CopiesOfABatch {
 public:
  CopiesOfABatch(FrameSession& session, const std::vector<Picture>& pictures) {
    run(session, pictures);
    const testing::FakeGpu before = fake_gpu();
    run(session, pictures);
    to_gpu = fake_gpu().copies_to_gpu - before.copies_to_gpu;
    from_gpu = fake_gpu().copies_from_gpu - before.copies_from_gpu;
    allocations = fake_gpu().allocations - before.allocations;
  }
  int to_gpu = 0, from_gpu = 0, allocations = 0;

 private:
  static void run(FrameSession& session, const std::vector<Picture>& pictures) {
    for (size_t i = 0; i < pictures.size(); ++i) ASSERT_TRUE(session.take(static_cast<int>(i), pictures[i].view).ok());
    ASSERT_TRUE(session.run(static_cast<int>(pictures.size())).ok());
  }
};

std::vector<Picture> random_pictures(size_t count, PixelFormat format, int width, int height) {
  Random random(53);
  std::vector<Picture> pictures;
  for (size_t i = 0; i < count; ++i) pictures.push_back(testing::random_picture(random, format, width, height));
  return pictures;
}

TEST_F(CudaFrames, OfABatchAreOneCopyToTheGpuAndNoMemoryOnceTheirShapeIsKnown) {
  const std::shared_ptr<const Engine> engine = try_engine(4).value();
  const std::unique_ptr<FrameSession> session = frame_session(*engine, crop_of());
  for (size_t count = 1; count <= 4; ++count) {
    const CopiesOfABatch copies(*session, random_pictures(count, PixelFormat::I420, 160, 90));
    EXPECT_EQ(copies.to_gpu, 1) << count;
    EXPECT_EQ(copies.from_gpu, 0);  // the logits' copy is in the graph
    EXPECT_EQ(copies.allocations, 0);
  }
  // The copy of the logits, the pictures' numbers, 19 convolutions, 2 shortcuts, pool and head: no copy of the input.
  EXPECT_EQ(fake_gpu().launched.back(), 1u + 1 + 19 + 2 + 2);
}

// At most 8 MiB are packed, tables among them. Where one staging ends within them, they are two copies.
TEST_F(CudaFrames, ThatAreManyOrLargeGoToTheGpuInBoundedCopies) {
  const std::shared_ptr<const Engine> engine = try_engine(16).value();
  fake_gpu().computes = false;
  const std::unique_ptr<FrameSession> session = frame_session(*engine, crop_of());
  EXPECT_EQ(CopiesOfABatch(*session, random_pictures(7, PixelFormat::Rgba, 512, 512)).to_gpu, 1);
  EXPECT_EQ(CopiesOfABatch(*session, random_pictures(16, PixelFormat::Rgba, 512, 512)).to_gpu, 3 + 1);
  EXPECT_EQ(CopiesOfABatch(*session, random_pictures(2, PixelFormat::Nv12, 1920, 1080)).to_gpu, 1);
  EXPECT_EQ(CopiesOfABatch(*session, random_pictures(5, PixelFormat::Nv12, 1920, 1080)).to_gpu, 3 + 1);
}

// Nobody waits for the GPU between them, where memory is reused and grows.
TEST_F(CudaFrames, OfAnySizeAndNumberHaveTheCpusBitsAndTakeNoMorePinnedMemory) {
  const PreprocessSpec spec = crop_of();
  const size_t values = size_t{3} * kCropWidth * kCropHeight;
  const auto preprocessor = create_cuda_preprocessor({.spec = spec, .number = NumberType::Float32});
  ASSERT_TRUE(preprocessor.ok());
  const size_t pinned = fake_gpu().pinned_bytes;
  struct Sizes {
    size_t count;
    int width, height;
  };
  std::deque<std::vector<float>> outputs, expected;
  for (const Sizes& sizes : {Sizes{16, 512, 512}, {1, 4000, 3000}, {3, 700, 4001}, {2, 31, 17}}) {
    for (Picture& picture : random_pictures(sizes.count, PixelFormat::Rgba, sizes.width, sizes.height)) {
      std::vector<float>& tensor = expected.emplace_back(values);
      ASSERT_TRUE(Preprocessor::create(spec)->to_tensor(picture.view, tensor, TensorLayout::Nhwc).ok());
      ASSERT_TRUE((*preprocessor)->run(picture.view, {}, outputs.emplace_back(values).data()).ok());
      std::ranges::fill(picture.planes[0], uint8_t{0});  // it has been read
    }
    ASSERT_TRUE((*preprocessor)->flush().ok());
  }
  ASSERT_TRUE((*preprocessor)->wait().ok());
  EXPECT_EQ(outputs, expected);
  EXPECT_EQ(fake_gpu().pinned_bytes, pinned);
}

// What was taken before the failure is not made of what never came: the next batch is as if nothing had been.
TEST_F(CudaFrames, OfABatchThatFailedDoNotComeIntoTheNext) {
  const std::shared_ptr<const Engine> engine = try_engine(2).value();
  const PreprocessSpec spec = crop_of();
  const std::unique_ptr<FrameSession> session = frame_session(*engine, spec);
  const std::vector<Picture> pictures = random_pictures(2, PixelFormat::Rgb, 50, 40);
  ASSERT_TRUE(session->take(0, pictures[0].view).ok());
  fake_gpu().failing_call = fake_gpu().calls + 2;  // behind the GPU's choice comes the copy
  const Status failed = session->run(1);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().message.find("copying frames to the GPU"), std::string::npos) << failed.error().message;
  const int copies = fake_gpu().copies_to_gpu, frames = fake_gpu().frames;
  ASSERT_TRUE(session->take(0, pictures[1].view).ok());
  ASSERT_TRUE(session->run(1).ok());
  EXPECT_EQ(fake_gpu().frames, frames + 1);
  EXPECT_EQ(fake_gpu().copies_to_gpu, copies + 1);
  EXPECT_EQ(logits_of(*session), expected_logits(*engine, spec, pictures[1].view));
}

TEST_F(CudaFrames, AreTheCallersAgainOnceOneOfTheirBatchIsRefused) {
  const std::shared_ptr<const Engine> engine = try_engine(2).value();
  const PreprocessSpec spec = crop_of();
  const std::unique_ptr<FrameSession> session = frame_session(*engine, spec);
  std::vector<Picture> pictures = random_pictures(1, PixelFormat::Rgb, 50, 40);
  const ImageView& view = pictures[0].view;
  const std::vector<float> expected = expected_logits(*engine, spec, view);
  ImageView broken = view;
  broken.width = 0;
  ASSERT_TRUE(session->take(0, on_gpu(view)).ok());
  ASSERT_FALSE(session->take(1, broken).ok());
  std::ranges::fill(pictures[0].planes[0], uint8_t{0});
  ASSERT_TRUE(session->run(1).ok());
  EXPECT_EQ(logits_of(*session), expected) << "it was read after the failure";
}

TEST_F(CudaFrames, InTheGpusMemoryAreReadWhereTheyLie) {
  const std::shared_ptr<const Engine> engine = try_engine().value();
  Random random(54);
  const Picture picture = testing::random_picture(random, PixelFormat::Nv12, 160, 90);
  const std::unique_ptr<FrameSession> session = frame_session(*engine, crop_of());  // goes first, done with the picture
  ASSERT_TRUE(session->take(0, on_gpu(picture.view)).ok());
  const testing::FakeGpu before = fake_gpu();
  ASSERT_TRUE(session->take(0, on_gpu(picture.view)).ok());
  EXPECT_EQ(fake_gpu().copies_to_gpu, before.copies_to_gpu);
  EXPECT_EQ(fake_gpu().copies_between_contexts, 0);
  // Of another context, and of another GPU, each plane is copied, and nothing passes through the host.
  ASSERT_TRUE(session->take(0, on_gpu(picture.view, 0, &random)).ok());
  EXPECT_EQ(fake_gpu().copies_between_contexts, 2);
  ASSERT_TRUE(session->take(0, on_gpu(picture.view, 1, &random)).ok());
  EXPECT_EQ(fake_gpu().copies_between_contexts, 4);
  EXPECT_EQ(fake_gpu().copies_to_gpu, before.copies_to_gpu);
}

TEST_F(CudaFrames, AreCopiedOnlyAsFarAsTheirRegionNeeds) {
  Random random(55);
  for (int i = 0; i < 500; ++i) {
    const PreprocessCase one = testing::random_case(random);
    const ImageView& view = one.picture.view;
    const ImageView part = needed_part(view);
    const Region whole = region_of(view), region = region_of(part);
    ASSERT_LE(part.width, whole.width + 1);
    ASSERT_LE(part.height, whole.height + 1);
    ASSERT_TRUE(check_view(part).ok()) << one.text();
    ASSERT_EQ(region.width, whole.width);
    ASSERT_EQ(region.height, whole.height);
    std::vector<uint8_t> of_view(static_cast<size_t>(3 * one.spec.crop_width * one.spec.crop_height)),
        of_part(of_view.size());
    ASSERT_TRUE(Preprocessor::create(one.spec)->to_pixels(view, of_view).ok());
    ASSERT_TRUE(Preprocessor::create(one.spec)->to_pixels(part, of_part).ok());
    ASSERT_EQ(of_part, of_view) << one.text();
  }
}

TEST_F(CudaFrames, ThatMakeNoSenseAreRefusedBeforeTheGpuIsAsked) {
  const std::shared_ptr<const Engine> engine = try_engine().value();
  const std::unique_ptr<FrameSession> session = frame_session(*engine, crop_of());
  const Picture picture = testing::make_picture(PixelFormat::Rgb, 20, 20);
  ImageView broken = picture.view;
  broken.region = {10, 10, 11, 5};
  const int calls = fake_gpu().calls;
  for (const Status& status :
       {session->take(0, broken), session->take(1, picture.view), session->take(-1, picture.view)}) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
  }
  EXPECT_EQ(fake_gpu().calls, calls);
  EXPECT_TRUE(session->input(0).empty());
}

TEST_F(CudaFrames, AreNotTakenForACropThatTheEngineWasNotBuiltFor) {
  const std::shared_ptr<const Engine> engine = try_engine().value();
  const auto session = engine->create_frame_session({.crop_width = 224, .crop_height = 224});
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, ErrorCode::InvalidArgument);
  EXPECT_NE(session.error().hint.find("33x32"), std::string::npos) << session.error().hint;
}

// An application's context, or gstreamer-cuda's, or none at all.
TEST_F(CudaFrames, LeaveTheThreadsContextAsItWas) {
  int application = 0;
  for (void* context :
       {static_cast<void*>(nullptr), static_cast<void*>(&application), testing::fake_primary_context(1)}) {
    if (context) {
      ASSERT_TRUE(push_context(context).ok());
    }
    {
      const std::shared_ptr<const Engine> engine = try_engine().value();
      const std::unique_ptr<FrameSession> session = frame_session(*engine, crop_of());
      EXPECT_EQ(current_context().value(), context);
      const Picture picture = testing::make_picture(PixelFormat::Nv12, 40, 40);
      for (const ImageView& view : {picture.view, on_gpu(picture.view, 0, &application)})
        ASSERT_TRUE(session->take(0, view).ok());
      ASSERT_TRUE(session->run(1).ok());
      EXPECT_EQ(current_context().value(), context);
    }
    EXPECT_EQ(current_context().value(), context);
    if (context) pop_context();
  }
}

TEST_F(CudaFrames, APrimaryContextThatCannotBeMadeIsNamedAndAskedForAgain) {
  for (const int call : {1, 2, 3}) {  // the start, which GPU, and its context
    fake_gpu() = {};
    fake_gpu().failing_call = call;
    const Result<void*> context = primary_context(1);
    ASSERT_FALSE(context.ok()) << call;
    EXPECT_NE(context.error().message.find("making a context on GPU 1: "), std::string::npos)
        << context.error().message;
  }
  EXPECT_EQ(primary_context(1).value(), testing::fake_primary_context(1));
  EXPECT_EQ(primary_context(7).error().code, ErrorCode::DeviceUnavailable);
}

// Each call of CUDA's that a session and its frames make fails in its turn.
TEST_F(CudaFrames, NoCallThatFailsLeavesAnythingBehindAndItsErrorSaysWhatWasDone) {
  const Picture picture = testing::make_picture(PixelFormat::Nv12, 40, 40);
  std::set<std::string> seen;
  int number = 0;
  for (bool failed = true; failed;) {
    fake_gpu() = {};
    fake_gpu().computes = false;
    const std::shared_ptr<const Engine> engine = try_engine().value();
    const int objects = fake_gpu().objects;
    fake_gpu().calls = 0;
    fake_gpu().failing_call = ++number;
    Status status = Status::success();
    {
      const auto session = engine->create_frame_session(crop_of());
      status = session ? (*session)->take(0, picture.view) : Status(session.error());
      if (status) status = (*session)->take(0, on_gpu(picture.view, 0, &number));
      if (status) status = (*session)->run(1);
    }
    failed = fake_gpu().calls >= number;
    fake_gpu().failing_call = 0;
    ASSERT_EQ(fake_gpu().objects, objects) << number << (status ? "" : to_string(status.error()));
    if (!status) seen.insert(status.error().message.substr(0, status.error().message.find(':')));
  }
  EXPECT_GT(number, 30);
  for (const char* doing : {"copying frames to the GPU", "choosing a context", "asking for the current context",
                            "making an event on the GPU", "preprocessing a frame on the GPU",
                            "clearing the GPU's memory", "copying a frame from another CUDA context"})
    EXPECT_TRUE(seen.contains(doing)) << doing;
}

}  // namespace
}  // namespace resnetft
