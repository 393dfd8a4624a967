// SPDX-License-Identifier: MIT
// The oneDNN engine against the reference engine, which defines the right answer, on every net of the zoo.
#include <gtest/gtest.h>

#include "infer/onednn/onednn_engine.h"
#include "infer/reference/reference_engine.h"
#include "model/architecture.h"
#include "tests/support/direct_network.h"
#include "tests/support/logits.h"

namespace resnetft {
namespace {

constexpr int64_t kClasses = 50;

using Created = Result<std::shared_ptr<const Engine>>;

// Puts picture `index`, the same for every engine, where it belongs.
void put(const Engine& engine, Session& session, int index) {
  std::mt19937 random(static_cast<unsigned>(index));
  std::normal_distribution<float> normal;
  const std::span<float> input = session.input(index);
  const size_t plane = input.size() / 3;
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < plane; ++i)
      input[engine.layout() == TensorLayout::Nhwc ? i * 3 + c : c * plane + i] = normal(random);
}

// The logits of all pictures of a batch, one after the other.
std::vector<float> run(const Created& engine, int batch) {
  const std::unique_ptr<Session> session = (*engine)->create_session().value();
  for (int i = 0; i < batch; ++i) put(**engine, *session, i);
  EXPECT_TRUE(session->run(batch).ok());
  std::vector<float> logits;
  for (int i = 0; i < batch; ++i) logits.insert(logits.end(), session->logits(i).begin(), session->logits(i).end());
  return logits;
}

// The worst difference as a part of the largest logit.
double difference(const std::string& architecture, const FloatWeights& weights, const EngineSpec& spec) {
  ModelCard card;
  card.architecture = architecture;
  card.num_classes = kClasses;
  const Created reference = create_reference_engine(card, weights, spec),
                ours = create_onednn_engine(card, weights, spec);
  EXPECT_TRUE(reference.ok() && ours.ok());
  if (!reference.ok() || !ours.ok()) return 1;
  return testing::relative_difference(run(ours, spec.max_batch), run(reference, spec.max_batch));
}

// Of the largest logit: float32 in another order of additions stays below 1e-5 over 152 layers.
constexpr double kTolerance = 1e-4;

TEST(OnednnZoo, AgreesWithTheReferenceOnEveryNet) {
  const EngineSpec spec{.width = 32, .height = 32, .max_batch = 3, .threads = 2};
  for (const Architecture& architecture : architectures()) {
    const std::string name(architecture.name);
    EXPECT_LE(difference(name, testing::trained_weights(name, kClasses, 11), spec), kTolerance) << name;
  }
}

TEST(OnednnZoo, AgreesWithTheReferenceAtEveryInputSizeAndBatch) {
  struct Case {
    int width, height, batch;
  };
  for (const std::string name : {"resnet18", "resnet50", "resnet20"}) {
    const FloatWeights weights = testing::trained_weights(name, kClasses, 11);
    for (const Case& one :
         {Case{32, 32, 8}, Case{224, 224, 1}, Case{224, 224, 3}, Case{299, 299, 1}, Case{288, 160, 3}}) {
      const EngineSpec spec{.width = one.width, .height = one.height, .max_batch = one.batch, .threads = 2};
      EXPECT_LE(difference(name, weights, spec), kTolerance)
          << name << " " << one.width << "x" << one.height << " batch " << one.batch;
    }
  }
}

}  // namespace
}  // namespace resnetft
