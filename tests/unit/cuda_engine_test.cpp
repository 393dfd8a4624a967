// SPDX-License-Identifier: MIT
// The CUDA engine's own code, all but what nvcc compiles, on a GPU and a cuDNN that are the host
// (tests/support/fake_gpu.h, fake_cudnn.cpp): against the CPU's engine, and where a call fails. Real ones: tests/gpu.
#include "infer/cuda/cuda_engine.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "base/formatted.h"
#include "infer/cuda/convolution.h"
#include "infer/cuda/cudnn_library.h"
#include "infer/cuda/weight_block.h"
#include "infer/onednn/onednn_engine.h"
#include "tests/support/direct_network.h"
#include "tests/support/fake_gpu.h"
#include "tests/support/logits.h"

namespace resnetft {
namespace {

using testing::fake_gpu;
using testing::relative_difference;

constexpr int64_t kClasses = 40;  // more than a block of the head's kernel makes

// Found by its soname from now on.
void* const kFakeCudnn = dlopen(RESNETFT_FAKE_CUDNN, RTLD_NOW | RTLD_LOCAL);

int cudnn_objects() { return reinterpret_cast<int (*)()>(dlsym(kFakeCudnn, "fake_cudnn_objects"))(); }

// The same cuDNN of another version, of whose ways the process remembers none.
void renew_cudnn() {
  static int version = 91900;
  setenv("FAKE_CUDNN_VERSION", std::to_string(++version).c_str(), 1);
}

ModelCard card_of(std::string_view architecture) {
  ModelCard card;
  card.architecture = architecture;
  card.num_classes = kClasses;
  return card;
}

// He's initialisation keeps the values in range, so that halfs hold them.
FloatWeights weights_of(std::string_view architecture) { return testing::trained_weights(architecture, kClasses, 5); }

EngineSpec spec_of(int width, int height, int max_batch, Precision precision) {
  return {.width = width, .height = height, .max_batch = max_batch, .precision = precision, .device = {true, 0}};
}

void fill(Session& session, int index, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (float& value : session.input(index)) value = normal(random);
}

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

class CudaEngine : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(kFakeCudnn) << dlerror();
    fake_gpu() = {};
    renew_cudnn();
  }
  void TearDown() override {
    unsetenv("FAKE_CUDNN_VERSION");
    EXPECT_EQ(fake_gpu().objects, 0) << "memory, streams, events or graphs are left";
    EXPECT_EQ(cudnn_objects(), 0) << "handles or descriptors of cuDNN's are left";
  }

  static std::shared_ptr<const Engine> engine_of(std::string_view architecture, const EngineSpec& spec) {
    const Result<std::shared_ptr<const Engine>> engine =
        create_cuda_engine(card_of(architecture), weights_of(architecture), spec);
    EXPECT_TRUE(engine.ok()) << (engine.ok() ? "" : to_string(engine.error()));
    return engine.ok() ? *engine : nullptr;
  }
};

struct Case {
  const char* architecture;
  int width, height, batch;
  Precision precision;
  double tolerance;  // of the largest logit
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.architecture << " " << one.width << "x" << one.height; }

class CudaEngineOf : public CudaEngine, public ::testing::WithParamInterface<Case> {};

TEST_P(CudaEngineOf, AgreesWithTheCpusEngine) {
  const Case& one = GetParam();
  const int max_batch = one.batch + 1;  // 3 run in the graph of 4
  const FloatWeights weights = weights_of(one.architecture);
  const auto made =
      create_cuda_engine(card_of(one.architecture), weights, spec_of(one.width, one.height, max_batch, one.precision));
  ASSERT_TRUE(made.ok()) << to_string(made.error());
  const std::shared_ptr<const Engine>& engine = *made;
  EXPECT_EQ(engine->name(), "cuda");
  ASSERT_EQ(engine->layout(), TensorLayout::Nhwc);
  const auto cpu = create_onednn_engine(card_of(one.architecture), weights,
                                        {.width = one.width, .height = one.height, .max_batch = max_batch});
  ASSERT_TRUE(cpu.ok());
  const std::unique_ptr<Session> expected = (*cpu)->create_session().value();
  const std::unique_ptr<Session> session = engine->create_session().value();
  for (const int batch : {one.batch, 1}) {
    for (int i = 0; i < batch; ++i)
      for (Session* each : {session.get(), expected.get()}) fill(*each, i, static_cast<unsigned>(10 * batch + i));
    ASSERT_TRUE(session->run(batch).ok());
    ASSERT_TRUE(expected->run(batch).ok());
    for (int i = 0; i < batch; ++i) {
      EXPECT_LE(relative_difference(session->logits(i), expected->logits(i)), one.tolerance) << i << " of " << batch;
      EXPECT_LE(relative_difference(session->embedding(i), expected->embedding(i)), one.tolerance)
          << i << " of " << batch;
    }
  }
}

// Half keeps 11 bits and bfloat16 8: after 20 to 50 layers 1e-2 and 8e-2 are left; tf32 rounds its factors to 11 bits.
INSTANTIATE_TEST_SUITE_P(Nets, CudaEngineOf,
                         ::testing::Values(Case{"resnet20", 32, 32, 3, Precision::Fp32, 1e-4},
                                           Case{"resnet20", 45, 33, 4, Precision::Fp32, 1e-4},
                                           Case{"resnet20", 45, 33, 5, Precision::Fp16, 1e-2},
                                           Case{"resnet20", 32, 32, 3, Precision::Bf16, 8e-2},
                                           Case{"resnet20", 32, 32, 3, Precision::Tf32, 1e-2},
                                           Case{"resnet18", 64, 64, 3, Precision::Fp32, 1e-4},
                                           Case{"resnet18", 64, 64, 3, Precision::Fp16, 1e-2},
                                           Case{"resnet50", 33, 47, 2, Precision::Fp32, 1e-4},
                                           Case{"resnext50_32x4d", 32, 32, 2, Precision::Fp32, 1e-4},
                                           Case{"resnext50_32x4d", 32, 32, 1, Precision::Fp16, 1e-2},
                                           Case{"wide_resnet50_2", 32, 32, 1, Precision::Fp32, 1e-4}));

TEST_F(CudaEngine, OnlyTf32RoundsTheFactorsOfFloats) {
  std::vector<std::vector<float>> logits;
  for (const Precision precision : {Precision::Fp32, Precision::Tf32}) {
    const std::unique_ptr<Session> session =
        engine_of("resnet20", spec_of(32, 32, 1, precision))->create_session().value();
    fill(*session, 0, 1);
    ASSERT_TRUE(session->run(1).ok());
    logits.push_back(copy(session->logits(0)));
  }
  EXPECT_GT(relative_difference(logits[1], logits[0]), 1e-5);
}

TEST_F(CudaEngine, WhereFusingIsMissingOrSlowerTheRestIsAKernelOfOurs) {
  const auto logits_of = [](Precision precision) {
    const std::unique_ptr<Session> session =
        engine_of("resnet18", spec_of(32, 32, 1, precision))->create_session().value();
    fill(*session, 0, 1);
    EXPECT_TRUE(session->run(1).ok());
    return copy(session->logits(0));
  };
  const std::vector<float> floats = logits_of(Precision::Fp32), halfs = logits_of(Precision::Fp16);
  const size_t work = fake_gpu().launched.back();
  for (const char* fused : {"0", "slow"}) {
    setenv("FAKE_CUDNN_FUSED", fused, 1);
    renew_cudnn();
    EXPECT_LE(relative_difference(logits_of(Precision::Fp32), floats), 1e-5) << fused;
    EXPECT_LE(relative_difference(logits_of(Precision::Fp16), halfs), 1e-2) << fused;
    unsetenv("FAKE_CUDNN_FUSED");
    EXPECT_EQ(fake_gpu().launched.back(), work + 20) << fused;  // for each convolution
  }
}

TEST_F(CudaEngine, APrecisionThatCudnnLacksOnAGpuIsNamed) {
  setenv("FAKE_CUDNN_BF16", "0", 1);
  const auto engine =
      create_cuda_engine(card_of("resnet20"), weights_of("resnet20"), spec_of(32, 32, 1, Precision::Bf16));
  unsetenv("FAKE_CUDNN_BF16");
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::Incompatible);
  EXPECT_NE(engine.error().message.find("in bf16"), std::string::npos) << engine.error().message;
  EXPECT_EQ(engine.error().hint, "use another precision, or device cpu");
}

TEST_F(CudaEngine, ARunIsOneGraphWithOneCopyEachWayAndTakesNoMemory) {
  const auto engine = engine_of("resnet20", spec_of(32, 32, 6, Precision::Fp16));
  const int built_with = fake_gpu().copies_to_gpu;
  const std::unique_ptr<Session> session = engine->create_session().value();
  const testing::FakeGpu before = fake_gpu();
  // Batches of 1, 2, 4 and 6, each run once by itself and recorded once.
  EXPECT_EQ(before.copies_from_gpu, 2 * 4);
  EXPECT_EQ(before.copies_to_gpu - built_with, 2 * 4);
  for (int batch = 1; batch <= 6; ++batch) ASSERT_TRUE(session->run(batch).ok());
  EXPECT_EQ(fake_gpu().allocations, before.allocations);
  EXPECT_EQ(fake_gpu().copies_to_gpu, before.copies_to_gpu);
  ASSERT_EQ(fake_gpu().launched.size(), 6u);
  // Copies, the pictures' numbers, 19 convolutions, 2 shortcuts, pool and head.
  for (const size_t work : fake_gpu().launched) EXPECT_EQ(work, 2u + 1 + 19 + 2 + 2);
}

TEST_F(CudaEngine, OnlyTheFirstOfItsKindTimesConvolutions) {
  setenv("FAKE_CUDNN_FUSED", "slow", 1);
  const auto timings_of = [](int max_batch, Precision precision, std::vector<float>* logits = nullptr) {
    const int before = fake_gpu().timings;
    const std::shared_ptr<const Engine> engine = engine_of("resnet20", spec_of(32, 32, max_batch, precision));
    const int timings = fake_gpu().timings - before;
    const std::unique_ptr<Session> session = engine->create_session().value();
    fill(*session, 0, 1);
    EXPECT_TRUE(session->run(1).ok());
    if (logits) *logits = copy(session->logits(0));
    return timings;
  };
  std::vector<float> first, second;
  const int timings = timings_of(1, Precision::Fp16, &first);
  const size_t work = fake_gpu().launched.back();
  EXPECT_GT(timings, 0);
  EXPECT_EQ(timings_of(1, Precision::Fp16, &second), 0);
  EXPECT_EQ(fake_gpu().launched.back(), work);  // not fused, again
  EXPECT_EQ(second, first);
  EXPECT_EQ(timings_of(2, Precision::Fp16), timings) << "of batches of two alone";
  EXPECT_EQ(timings_of(1, Precision::Bf16), timings);
  renew_cudnn();
  EXPECT_EQ(timings_of(1, Precision::Fp16), timings);
  // Where the way is gone, another one is looked for.
  setenv("FAKE_CUDNN_FUSED", "0", 1);
  EXPECT_EQ(timings_of(1, Precision::Fp16), 0) << "alone it still works";
  unsetenv("FAKE_CUDNN_FUSED");
  renew_cudnn();
  timings_of(1, Precision::Fp16);
  setenv("FAKE_CUDNN_FUSED", "0", 1);
  EXPECT_GT(timings_of(1, Precision::Fp16), 0);
  unsetenv("FAKE_CUDNN_FUSED");
}

TEST_F(CudaEngine, ARunOfABatchThatTheSessionDoesNotTakeIsAnswered) {
  const std::unique_ptr<Session> session =
      engine_of("resnet20", spec_of(32, 32, 2, Precision::Fp16))->create_session().value();
  for (const int batch : {0, 3}) {
    const Status status = session->run(batch);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
  }
}

TEST_F(CudaEngine, FourSessionsInFourThreadsShareTheWeightsAndGiveTheBitsOfOneThread) {
  const std::shared_ptr<const Engine> engine = engine_of("resnet20", spec_of(32, 32, 2, Precision::Fp16));
  const size_t weights = fake_gpu().taken_bytes;
  EXPECT_LT(weights, size_t{1} << 20);  // 270,000 halfs
  constexpr unsigned kPictures = 24;
  const auto judge = [&](unsigned first, unsigned step, std::vector<std::vector<float>>& results) {
    const std::unique_ptr<Session> session = engine->create_session().value();
    for (unsigned i = first; i < kPictures; i += step) {
      fill(*session, 0, i);
      if (session->run(1)) results[i] = copy(session->logits(0));
    }
  };
  std::vector<std::vector<float>> alone(kPictures), together(kPictures);
  judge(0, 1, alone);
  EXPECT_EQ(fake_gpu().taken_bytes, weights);
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back([&, t] { judge(t, 4, together); });
  threads.clear();
  ASSERT_EQ(alone.back().size(), size_t{kClasses});
  EXPECT_NE(alone.front(), alone.back());
  EXPECT_EQ(together, alone);
}

TEST_F(CudaEngine, ForFullBatchesAloneNoSmallerOnesArePreparedAndTheyRunAllTheSame) {
  EngineSpec spec = spec_of(32, 32, 4, Precision::Fp32);
  const auto logits = [&] {
    const std::unique_ptr<Session> session = engine_of("resnet20", spec)->create_session().value();
    fill(*session, 0, 1);
    EXPECT_TRUE(session->run(1).ok());
    return copy(session->logits(0));
  };
  const std::vector<float> expected = logits();
  const int calls = std::exchange(fake_gpu().calls, 0);
  spec.full_batches = true;
  EXPECT_LE(relative_difference(logits(), expected), 1e-5);
  EXPECT_LT(fake_gpu().calls, calls / 2);  // for 4, not for 1, 2 and 4
}

TEST_F(CudaEngine, ASessionKeepsItsEngineAlive) {
  std::shared_ptr<const Engine> engine = engine_of("resnet20", spec_of(32, 32, 1, Precision::Fp16));
  const std::weak_ptr<const Engine> watch = engine;
  std::unique_ptr<Session> session = engine->create_session().value();
  engine.reset();
  fill(*session, 0, 1);
  EXPECT_TRUE(session->run(1).ok());
  session.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(CudaEngine, ABatchThatDoesNotFitNamesOneThatDoes) {
  fake_gpu().computes = false;
  fake_gpu().memory_bytes = size_t{26} << 20;  // of 64 pictures a session takes more, of 32 half of that and 8 MiB
  const EngineSpec large = spec_of(64, 64, 64, Precision::Fp16);
  Result<std::shared_ptr<const Engine>> engine = create_cuda_engine(card_of("resnet20"), weights_of("resnet20"), large);
  Error error = {ErrorCode::Internal, "", ""};
  if (engine) {
    const Result<std::unique_ptr<Session>> session = (*engine)->create_session();
    ASSERT_FALSE(session.ok());
    error = session.error();
  } else {
    error = engine.error();
  }
  engine = Error{ErrorCode::Internal, "", ""};
  EXPECT_EQ(error.code, ErrorCode::OutOfMemory);
  EXPECT_NE(error.message.find("batches of 64"), std::string::npos) << error.message;
  EXPECT_EQ(error.hint, "a batch of 32 may fit; or end other programs on the GPU");
  EXPECT_TRUE(engine_of("resnet20", spec_of(64, 64, 32, Precision::Fp16))->create_session().ok());
}

TEST_F(CudaEngine, AGpuWithNoRoomAtAllSaysSo) {
  fake_gpu().memory_bytes = size_t{100} << 10;
  const auto engine =
      create_cuda_engine(card_of("resnet20"), weights_of("resnet20"), spec_of(32, 32, 2, Precision::Fp16));
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_EQ(engine.error().hint, "end other programs on the GPU, or use device cpu");
}

TEST_F(CudaEngine, ARecordingThatAnotherThreadSpoiltBeginsAnew) {
  const auto engine = engine_of("resnet20", spec_of(32, 32, 1, Precision::Fp16));
  fake_gpu().spoilt_recordings = 3;
  const auto session = engine->create_session();
  ASSERT_TRUE(session.ok()) << to_string(session.error());
  EXPECT_EQ(fake_gpu().spoilt_recordings, 0);
  fill(**session, 0, 1);
  EXPECT_TRUE((*session)->run(1).ok());
  // Who spoils them for ever is no reason to hang.
  fake_gpu().spoilt_recordings = 1000;
  const auto none = engine->create_session();
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("recording a CUDA graph"), std::string::npos) << none.error().message;
}

// Each call of CUDA's that an engine, a session and a run make fails in its turn.
TEST_F(CudaEngine, NoCallThatFailsLeavesAnythingBehindAndItsErrorSaysWhatWasDone) {
  const FloatWeights weights = weights_of("resnet20");
  std::set<std::string> seen;
  int number = 0;
  for (bool failed = true; failed;) {
    fake_gpu() = {};
    fake_gpu().computes = false;
    fake_gpu().failing_call = ++number;
    renew_cudnn();
    Status status = Status::success();
    {
      const auto engine = create_cuda_engine(card_of("resnet20"), weights, spec_of(32, 32, 1, Precision::Fp16));
      const auto session = engine ? (*engine)->create_session() : Result<std::unique_ptr<Session>>(engine.error());
      status = session ? (*session)->run(1) : Status(session.error());
    }
    failed = fake_gpu().calls >= number;
    ASSERT_EQ(fake_gpu().objects + cudnn_objects(), 0) << number << (status ? "" : to_string(status.error()));
    if (!status) seen.insert(status.error().message.substr(0, status.error().message.find(':')));
  }
  EXPECT_GT(number, 100);
  for (const char* doing : {"choosing a context", "making a stream on the GPU", "copying weights to the GPU",
                            "filling the GPU's memory with numbers", "recording a CUDA graph", "preparing a CUDA graph",
                            "copying pictures to the GPU", "queueing a step of the net on the GPU",
                            "copying logits from the GPU", "running the CUDA engine"})
    EXPECT_TRUE(seen.contains(doing)) << doing;
}

TEST_F(CudaEngine, NormalisationsWithoutRunningStatisticsAreRefusedBeforeTheGpuIsAsked) {
  for (const Normalization normalization : {Normalization::Layer, Normalization::Group}) {
    ModelCard card = card_of("resnet20");
    card.normalization = normalization;
    const auto engine = create_cuda_engine(card, weights_of("resnet20"), spec_of(32, 32, 1, Precision::Fp16));
    ASSERT_FALSE(engine.ok());
    EXPECT_EQ(engine.error().code, ErrorCode::Incompatible);
    EXPECT_NE(engine.error().message.find("normalisation"), std::string::npos);
  }
  EXPECT_EQ(fake_gpu().calls, 0);
}

TEST_F(CudaEngine, SpecsThatAreNeverRightAreRefused) {
  for (const EngineSpec& spec : {spec_of(31, 32, 1, Precision::Fp16), spec_of(32, 32, 0, Precision::Fp16)}) {
    const auto engine = create_cuda_engine(card_of("resnet20"), weights_of("resnet20"), spec);
    ASSERT_FALSE(engine.ok());
    EXPECT_EQ(engine.error().code, ErrorCode::InvalidArgument);
  }
}

TEST_F(CudaEngine, AMissingTensorIsNamed) {
  FloatWeights weights = weights_of("resnet20");
  weights.erase("layer2.0.conv1.weight");
  const auto engine = create_cuda_engine(card_of("resnet20"), weights, spec_of(32, 32, 1, Precision::Fp16));
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::Incompatible);
  EXPECT_NE(engine.error().message.find("layer2.0.conv1.weight"), std::string::npos);
}

TEST_F(CudaEngine, AWeightThatAHalfCannotHoldIsAnErrorInFp16Only) {
  FloatWeights weights = weights_of("resnet20");
  weights["layer1.0.conv1.weight"].values[0] = 1e6f;
  const auto half = create_cuda_engine(card_of("resnet20"), weights, spec_of(32, 32, 1, Precision::Fp16));
  ASSERT_FALSE(half.ok());
  EXPECT_EQ(half.error().code, ErrorCode::Incompatible);
  EXPECT_NE(half.error().message.find("layer1.0.conv1"), std::string::npos) << half.error().message;
  EXPECT_TRUE(create_cuda_engine(card_of("resnet20"), weights, spec_of(32, 32, 1, Precision::Bf16)).ok());
}

TEST(CudaWeights, ConvolutionsLieChannelsLastWithThePicturesChannelsPadded) {
  const Network network = build_network(*find_architecture("resnet20"), 32, 32, kClasses).value();
  const FloatWeights weights = weights_of("resnet20");
  const LayerWeights plain = layer_weights(network.layers[0], weights).value();
  const cuda::WeightBlock halfs = cuda::make_weight_block(network, weights, NumberType::Float16).value();
  const auto* stored = reinterpret_cast<const uint16_t*>(halfs.bytes.data() + halfs.layers[0].weights);
  for (size_t out = 0; out < 16; ++out)
    for (size_t at = 0; at < 9; ++at)
      for (size_t in = 0; in < 8; ++in) {
        const float value = in < 3 ? plain.weights[(out * 3 + in) * 9 + at] : 0.0f;
        ASSERT_EQ(stored[(out * 9 + at) * 8 + in], std::bit_cast<uint16_t>(static_cast<_Float16>(value)));
      }
  const auto* bias = reinterpret_cast<const uint16_t*>(halfs.bytes.data() + halfs.layers[0].bias);
  for (size_t out = 0; out < 16; ++out)
    ASSERT_EQ(bias[out], std::bit_cast<uint16_t>(static_cast<_Float16>(plain.bias[out])));
}

TEST(CudaWeights, TheHeadIsFloatsWithOneRowForEachFeature) {
  const Network network = build_network(*find_architecture("resnet20"), 32, 32, kClasses).value();
  const FloatWeights weights = weights_of("resnet20");
  const cuda::WeightBlock block = cuda::make_weight_block(network, weights, NumberType::BFloat16).value();
  const auto* stored = reinterpret_cast<const float*>(block.bytes.data() + block.layers.back().weights);
  const std::vector<float>& matrix = weights.find("linear.weight")->second.values;
  for (size_t feature = 0; feature < 64; ++feature)
    for (size_t label = 0; label < kClasses; ++label)
      ASSERT_EQ(stored[feature * kClasses + label], matrix[label * 64 + feature]);
}

TEST(Cudnn, WhereThereIsNoneTheErrorSaysSoAndHowToGetIt) {
  const auto cudnn = cuda::load_cudnn(std::array<std::string, 2>{"/nowhere/libcudnn.so.9", "/nor/here/libcudnn.so.9"});
  ASSERT_FALSE(cudnn.ok());
  EXPECT_EQ(cudnn.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_NE(cudnn.error().message.find("/nowhere/libcudnn.so.9"), std::string::npos) << cudnn.error().message;
  EXPECT_NE(cudnn.error().hint.find("pip install nvidia-cudnn-cu13"), std::string::npos) << cudnn.error().hint;
}

TEST(Cudnn, ALibraryThatIsNotCudnnIsNotTakenForIt) {
  const auto cudnn = cuda::load_cudnn(std::array<std::string, 1>{"libm.so.6"});
  ASSERT_FALSE(cudnn.ok());
  EXPECT_EQ(cudnn.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_NE(cudnn.error().message.find("cudnnGetVersion"), std::string::npos) << cudnn.error().message;
}

TEST(Cudnn, AnotherMajorVersionIsIncompatible) {
  setenv("FAKE_CUDNN_VERSION", "100100", 1);
  const auto cudnn = cuda::load_cudnn(std::array<std::string, 1>{RESNETFT_FAKE_CUDNN});
  unsetenv("FAKE_CUDNN_VERSION");
  ASSERT_FALSE(cudnn.ok());
  EXPECT_EQ(cudnn.error().code, ErrorCode::Incompatible);
  EXPECT_NE(cudnn.error().message.find("cuDNN 10.1 is loaded"), std::string::npos) << cudnn.error().message;
}

TEST(Cudnn, ItsFailuresKeepTheirKinds) {
  const cuda::Cudnn cudnn = cuda::load_cudnn(std::array<std::string, 1>{RESNETFT_FAKE_CUDNN}).value();
  EXPECT_TRUE(cuda::cudnn_status(cudnn, "x", CUDNN_STATUS_SUCCESS).ok());
  for (const auto& [status, code] : {std::pair{CUDNN_STATUS_NOT_INITIALIZED, ErrorCode::DeviceUnavailable},
                                     {CUDNN_STATUS_NOT_SUPPORTED_SHAPE, ErrorCode::Incompatible},
                                     {CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, ErrorCode::OutOfMemory},
                                     {CUDNN_STATUS_BAD_PARAM, ErrorCode::Internal},
                                     {CUDNN_STATUS_EXECUTION_FAILED, ErrorCode::Internal}})
    EXPECT_EQ(cuda::cudnn_status(cudnn, "x", status).error().code, code) << status;
}

// The real one, where it is: it says without a GPU which convolutions it does on which.
class RealCudnn : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"/usr/local/cuda/lib64", "/usr/local/cuda/lib", "/usr/lib/x86_64-linux-gnu"}) {
      const std::string path = std::string(folder) + "/libcudnn.so.9";
      if (access(path.c_str(), R_OK) != 0) continue;
      const auto loaded = cuda::load_cudnn(std::array<std::string, 1>{path});
      ASSERT_TRUE(loaded.ok()) << to_string(loaded.error());
      cudnn_ = *loaded;
      return;
    }
    GTEST_SKIP() << "NOT TESTED against cuDNN: there is no libcudnn.so.9 here";
  }

  cuda::Cudnn cudnn_;
};

struct GpuKind {
  const char* name;
  int version, processors, shared_memory, threads, l2_bytes;
};
constexpr std::array kGpus = {
    GpuKind{"T4", 750, 40, 65536, 1024, 4 << 20},        GpuKind{"A100", 800, 108, 166912, 2048, 40 << 20},
    GpuKind{"L4", 890, 58, 101376, 1536, 48 << 20},      GpuKind{"H100", 900, 132, 232448, 2048, 50 << 20},
    GpuKind{"B200", 1000, 148, 232448, 2048, 126 << 20}, GpuKind{"RTX 5090", 1200, 170, 101376, 1536, 96 << 20},
};

cuda::Descriptor properties_of(const GpuKind& gpu, cuda::Descriptors& descriptors) {
  const std::string json = formatted(
      R"({"deviceVer":%d,"multiProcessorCount":%d,"warpSize":32,"maxSharedMemoryPerBlock":49152,)"
      R"("maxSharedMemoryPerBlockOptin":%d,"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,)"
      R"("maxCtasPerSM":%d,"maxThreadsPerBlock":1024,"maxThreadsPerSM":%d,"regsPerBlock":65536,)"
      R"("totalGlobalMem":16000000000,"smClockRateKHz":1500000,"l2CacheSize":%d,"maxBlockSize":[1024,1024,64],)"
      R"("memClockRateKHz":5000000,"maxGridSize":[2147483647,65535,65535],"supportCoopLaunch":1,"pciDeviceId":0,)"
      R"("isTccDriver":0,"cudaDeviceId":0,"driverVer":13000,"deviceName":"%s"})",
      gpu.version, gpu.processors, gpu.shared_memory, gpu.threads / 64, gpu.threads, gpu.l2_bytes, gpu.name);
  const cuda::Descriptor made = descriptors.make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  descriptors.set_all(made, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                      std::span<const char>(json.c_str(), json.size() + 1));
  descriptors.finalize(made);
  return made;
}

// One layer of each kind that the zoo has.
std::vector<Layer> kinds_of_convolutions() {
  std::map<std::tuple<Extent, Extent, int, int, int, bool, bool>, Layer> kinds;
  for (const auto& [architecture, side] :
       {std::pair{"resnet20", 32}, {"resnet18", 224}, {"resnet50", 224}, {"resnext50_32x4d", 224}}) {
    const Network network = build_network(*find_architecture(architecture), side, side, kClasses).value();
    for (const Layer& layer : network.layers)
      if (layer.kind == LayerKind::Convolution)
        kinds.try_emplace({layer.src_extent, layer.dst_extent, layer.kernel, layer.stride, layer.groups, layer.relu,
                           layer.residual >= 0},
                          layer);
  }
  std::vector<Layer> layers;
  for (const auto& [kind, layer] : kinds) layers.push_back(layer);
  return layers;
}

struct Question {
  Precision precision;
  int batch;
  bool fused;
};
constexpr std::array kQuestions = {
    Question{Precision::Fp16, 1, true}, Question{Precision::Fp16, 1, false}, Question{Precision::Fp16, 64, true},
    Question{Precision::Bf16, 1, true}, Question{Precision::Tf32, 1, true},  Question{Precision::Fp32, 1, true},
};

// It has no bf16 before sm_80.
TEST_F(RealCudnn, FusesEveryConvolutionOfEveryNetOnEveryGpu) {
  if (cudnn_.GetVersion() < 91100) GTEST_SKIP() << "NOT TESTED: cuDNN before 9.11 needs a GPU to say what it does";
  const std::vector<Layer> layers = kinds_of_convolutions();
  EXPECT_GT(layers.size(), 40u);
  for (const GpuKind& gpu : kGpus) {
    cuda::Descriptors descriptors(cudnn_);
    const cuda::TargetGpu target{.handle = nullptr, .properties = properties_of(gpu, descriptors)};
    ASSERT_EQ(descriptors.status(), CUDNN_STATUS_SUCCESS) << gpu.name;
    for (const auto& [precision, batch, fused] : kQuestions)
      for (const Layer& layer : layers) {
        const auto ways = cuda::Convolution::ways(cudnn_, target, layer, precision, batch, fused);
        const bool is_done = precision != Precision::Bf16 || gpu.version >= 800;
        const ErrorCode code = ways.ok() ? ErrorCode::Internal : ways.error().code;
        EXPECT_EQ(code, is_done ? ErrorCode::Internal : ErrorCode::Incompatible)
            << gpu.name << ", precision " << static_cast<int>(precision) << ", batch " << batch
            << (fused ? ", fused" : ", alone") << (ways.ok() ? "" : ": " + to_string(ways.error()));
      }
  }
}

TEST_F(RealCudnn, FindsAWayAgainByItsPlace) {
  if (cudnn_.GetVersion() < 91100) GTEST_SKIP() << "NOT TESTED: cuDNN before 9.11 needs a GPU to say what it does";
  const Network network = build_network(*find_architecture("resnet18"), 224, 224, kClasses).value();
  cuda::Descriptors descriptors(cudnn_);
  const cuda::TargetGpu target{.handle = nullptr, .properties = properties_of(kGpus[3], descriptors)};
  for (const bool fused : {false, true}) {
    const auto ways = cuda::Convolution::ways(cudnn_, target, network.layers[2], Precision::Fp16, 8, fused);
    ASSERT_TRUE(ways.ok());
    for (const cuda::Convolution& way : *ways) {
      const auto again =
          cuda::Convolution::ways(cudnn_, target, network.layers[2], Precision::Fp16, 8, fused, &way.way());
      ASSERT_TRUE(again.ok());
      ASSERT_EQ(again->size(), 1u);
      EXPECT_EQ(again->front().way(), way.way());
      EXPECT_EQ(again->front().workspace_bytes(), way.workspace_bytes());
    }
  }
}

}  // namespace
}  // namespace resnetft
