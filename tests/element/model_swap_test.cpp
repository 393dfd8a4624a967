// SPDX-License-Identifier: MIT
// A model that changes while frames flow, and a model that several elements show.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <map>
#include <thread>

#include "element_harness.h"
#include "resnetft/model_hub.h"

namespace resnetft::testing {
namespace {

class ModelSwapTest : public ElementTest {
 protected:
  std::string stubborn_file(const std::string& label) { return save(label + ".safetensors", stubborn_model(label)); }
  static bool load(const ElementHarness& harness, const std::string& path) {
    gboolean accepted = FALSE;
    g_signal_emit_by_name(harness.element(), "load-model", path.c_str(), &accepted);
    return accepted;
  }
  static bool rollback(const ElementHarness& harness) {
    gboolean accepted = FALSE;
    g_signal_emit_by_name(harness.element(), "rollback", &accepted);
    return accepted;
  }
};

uint64_t generation_of(const ElementHarness& harness) {
  guint64 generation = 0;
  g_object_get(harness.element(), "model-generation", &generation, nullptr);
  return generation;
}

}  // namespace

TEST_F(ModelSwapTest, EveryFrameAfterTheMessageIsJudgedByTheNewModel) {
  ElementHarness harness({{"model-file", stubborn_file("a")}});
  EXPECT_EQ(harness.label_of(kRed), "a");
  harness.messages();
  ASSERT_TRUE(load(harness, stubborn_file("b")));
  const std::optional<BusMessage> changed = harness.wait_for("model-changed");
  ASSERT_TRUE(changed);
  EXPECT_EQ(uint64_field(changed->fields.get(), "model-generation"), 2U);
  EXPECT_EQ(generation_of(harness), 2U);
  GstBuffer* out = harness.process(rgb_frame(kRed, 32, 32, 9));
  EXPECT_EQ(text_field(classification_of(out), "label"), "b");
  EXPECT_EQ(uint64_field(classification_of(out), "model-generation"), 2U);
  gst_buffer_unref(out);
}

TEST_F(ModelSwapTest, ThePropertyModelFileSwapsWhilePlaying) {
  ElementHarness harness({{"model-file", stubborn_file("a")}});
  harness.messages();
  harness.set("model-file", stubborn_file("b"));
  ASSERT_TRUE(harness.wait_for("model-changed"));
  EXPECT_EQ(harness.label_of(kRed), "b");
}

TEST_F(ModelSwapTest, ThePropertyLabelsFileSwapsWhilePlaying) {
  ElementHarness harness({{"model-file", color_file()}});
  harness.messages();
  write_text(folder_.file("labels.txt"), "rot\ngruen\nblau\n");
  harness.set("labels-file", folder_.file("labels.txt"));
  ASSERT_TRUE(harness.wait_for("model-changed"));
  EXPECT_EQ(harness.label_of(kRed), "rot");
}

TEST_F(ModelSwapTest, TheSignalModelChangedCarriesGenerationAndDescription) {
  ElementHarness harness({{"model-file", stubborn_file("a")}});
  harness.messages();
  std::promise<std::string> heard;
  const auto handler = +[](GstElement*, guint64 generation, GstStructure* about, gpointer user) {
    const std::string text = std::to_string(generation) + " " + text_field(about, "arch");
    static_cast<std::promise<std::string>*>(user)->set_value(text);
  };
  g_signal_connect(harness.element(), "model-changed", G_CALLBACK(handler), &heard);
  load(harness, stubborn_file("b"));
  std::future<std::string> said = heard.get_future();
  ASSERT_EQ(said.wait_for(kHangGuard), std::future_status::ready);
  EXPECT_EQ(said.get(), "2 resnet20");
}

TEST_F(ModelSwapTest, AFailedLoadLeavesTheOldModelAndWarnsWithTheReason) {
  ElementHarness harness({{"model-file", stubborn_file("a")}});
  harness.messages();
  ASSERT_TRUE(load(harness, folder_.file("missing.safetensors")));
  const std::optional<BusMessage> failed = harness.wait_for("model-load-failed");
  ASSERT_TRUE(failed);
  EXPECT_EQ(text_field(failed->fields.get(), "code"), "not-found");
  EXPECT_NE(text_field(failed->fields.get(), "message").find("missing.safetensors"), std::string::npos);
  EXPECT_EQ(harness.label_of(kRed), "a");
  EXPECT_EQ(harness.last_flow(), GST_FLOW_OK);
  EXPECT_EQ(generation_of(harness), 1U);
  // Files are loaded one after the other: what the first one says has been said when the next one is shown.
  int warnings = 0;
  ASSERT_TRUE(load(harness, stubborn_file("b")));
  EXPECT_TRUE(wait_until([&] {
    bool changed = false;
    for (const BusMessage& message : harness.messages()) {
      warnings += message.type == GST_MESSAGE_WARNING;
      changed |= message.event == "model-changed";
    }
    return changed;
  }));
  EXPECT_EQ(warnings, 1);
}

TEST_F(ModelSwapTest, RollbackGoesBackWithANewGeneration) {
  ElementHarness harness({{"model-file", stubborn_file("a")}});
  load(harness, stubborn_file("b"));
  harness.wait_for("model-changed");  // the first one's
  ASSERT_TRUE(harness.wait_for("model-changed"));
  ASSERT_TRUE(rollback(harness));
  ASSERT_TRUE(harness.wait_for("model-changed"));
  EXPECT_EQ(harness.label_of(kRed), "a");
  EXPECT_EQ(generation_of(harness), 3U);
}

TEST_F(ModelSwapTest, RollbackWithoutAnEarlierModelWarns) {
  ElementHarness harness({{"model-file", stubborn_file("a")}});
  ASSERT_TRUE(rollback(harness));
  ASSERT_TRUE(harness.wait_for("model-load-failed"));
  EXPECT_EQ(harness.label_of(kRed), "a");
}

// Each model says its own name of everything, so that a mix would show: the label and the generation of each frame
// must belong together, and generations never go back.
TEST_F(ModelSwapTest, NoFrameSeesAMixDuringTwentySwaps) {
  const std::array files = {stubborn_file("a"), stubborn_file("b")};
  ElementHarness harness({{"model-file", files[0]}, {"threads", "1"}, {"skip-late", "false"}});
  std::atomic<bool> stop = false;
  std::thread loader([&] {
    for (int i = 1; i <= 20; ++i) {
      load(harness, files[static_cast<size_t>(i % 2)]);
      g_usleep(20000);
    }
    EXPECT_TRUE(wait_until([&] { return generation_of(harness) == 21 || stop; }));
    stop = true;
  });
  uint64_t last = 0, frames = 0;
  for (; !stop; ++frames) {
    GstBuffer* out = harness.process(rgb_frame(kGreen, 32, 32, frames));
    ASSERT_NE(out, nullptr);
    const GstStructure* meta = classification_of(out);
    const uint64_t generation = uint64_field(meta, "model-generation");
    ASSERT_GE(generation, last);
    last = generation;
    ASSERT_EQ(text_field(meta, "label"), generation % 2 == 1 ? "a" : "b");
    gst_buffer_unref(out);
  }
  stop = true;
  loader.join();
  EXPECT_EQ(generation_of(harness), 21U);
}

TEST_F(ModelSwapTest, ElementsOfOneIdShareOneSnapshot) {
  const Properties properties = {{"model-file", color_file()}, {"model-instance-id", "shared"}};
  ElementHarness one(properties), two(Properties{{"model-instance-id", "shared"}});
  EXPECT_EQ(one.label_of(kBlue), "blue");
  EXPECT_EQ(two.label_of(kBlue), "blue");
  // The test, both elements' streaming sides and the hub hold one and the same snapshot.
  const std::shared_ptr<ModelHub> hub = ModelHub::acquire("shared");
  const ModelHub::Current now = hub->current();
  ASSERT_NE(now.snapshot, nullptr);
  EXPECT_GE(now.snapshot.use_count(), 4);
}

TEST_F(ModelSwapTest, ASwapReachesEveryElementOfTheId) {
  const Properties properties = {{"model-file", stubborn_file("a")}, {"model-instance-id", "swapped"}};
  ElementHarness one(properties), two(properties);
  one.messages();
  two.messages();
  load(one, stubborn_file("b"));
  ASSERT_TRUE(one.wait_for("model-changed"));
  ASSERT_TRUE(two.wait_for("model-changed"));
  EXPECT_EQ(one.label_of(kRed), "b");
  EXPECT_EQ(two.label_of(kRed), "b");
}

TEST_F(ModelSwapTest, ASecondDifferentFileOfOneIdIsAnErrorNamingBoth) {
  ElementHarness one({{"model-file", stubborn_file("a")}, {"model-instance-id", "two-files"}});
  GstElement* other = make_classifier({{"model-file", stubborn_file("b")}, {"model-instance-id", "two-files"}});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(other, bus);
  EXPECT_EQ(gst_element_set_state(other, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  ASSERT_NE(message, nullptr);
  const BusMessage error = read_message(message);
  EXPECT_NE(error.text.find("a.safetensors"), std::string::npos);
  EXPECT_NE(error.text.find("b.safetensors"), std::string::npos);
  gst_message_unref(message);
  gst_element_set_state(other, GST_STATE_NULL);
  gst_element_set_bus(other, nullptr);
  gst_object_unref(bus);
  gst_object_unref(other);
}

TEST_F(ModelSwapTest, AnIdWithoutAModelPassesFramesAndSaysSoOnceUntilOneIsPublished) {
  ElementHarness harness(Properties{{"model-instance-id", "later"}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(harness.label_of(kRed), "<none>");
  std::string warnings;
  for (const BusMessage& message : harness.messages())
    if (message.type == GST_MESSAGE_WARNING) warnings += message.text + "\n";
  EXPECT_NE(warnings.find("'later'"), std::string::npos) << warnings;
  EXPECT_EQ(std::ranges::count(warnings, '\n'), 1) << warnings;
  ASSERT_TRUE(ModelHub::acquire("later")->publish(stubborn_model("late")));
  EXPECT_EQ(harness.label_of(kRed), "late");
}

// Two elements on one set of weights, each in its own thread, give to the bit what one gives alone.
TEST_F(ModelSwapTest, TwoElementsAtOnceGiveTheBitsOfOne) {
  const std::string file = save("random.safetensors", tiny_model(7, {"a", "b", "c", "d"}));
  constexpr uint64_t kFrames = 10000;
  const auto confidences = [&](ElementHarness& harness, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<double> values;
    for (uint64_t i = 0; i < kFrames; ++i) {
      const Color color = {static_cast<uint8_t>(random()), static_cast<uint8_t>(random()),
                           static_cast<uint8_t>(random())};
      GstBuffer* out = harness.process(rgb_frame(color, 32, 32, i));
      values.push_back(out ? double_field(classification_of(out), "confidence") : -1);
      if (out) gst_buffer_unref(out);
    }
    return values;
  };
  const Properties properties = {{"model-file", file},
                                 {"model-instance-id", "bits"},
                                 {"threads", "1"},
                                 {"post-messages", "never"},
                                 {"skip-late", "false"}};
  std::array<std::vector<double>, 2> together, alone;
  {
    ElementHarness one(properties), two(properties);
    std::thread other([&] { together[1] = confidences(two, 2); });
    together[0] = confidences(one, 1);
    other.join();
  }
  ElementHarness single(properties);
  alone[0] = confidences(single, 1);
  alone[1] = confidences(single, 2);
  EXPECT_EQ(together[0], alone[0]);
  EXPECT_EQ(together[1], alone[1]);
}

}  // namespace resnetft::testing
