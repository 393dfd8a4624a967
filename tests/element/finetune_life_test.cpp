// SPDX-License-Identifier: MIT
// resnetfinetune from NULL to PLAYING and back, at whatever moment; its hub; its end of stream.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "finetune_harness.h"

namespace resnetft::testing {
namespace {

constexpr gint64 kStopsWithin_us = 2 * G_USEC_PER_SEC;  // what the specification asks for

class FinetuneLife : public FinetuneTest {
 protected:
  // A run that lasts until somebody ends it.
  Properties endless(Properties more = {}) {
    more.emplace_back("train", "manual");
    more.emplace_back("instant-head", "off");
    more.emplace_back("epochs", "1000000");
    return properties(more);
  }
};

void begin_endless_run(FinetuneHarness& harness) {
  for (const bool warm : {true, false}) {
    harness.set("label", warm ? "warm" : "cold");
    ASSERT_GE(harness.samples(10, [&] { harness.frame(warm); }).size(), 10U);
  }
  ASSERT_TRUE(act(harness.element(), "train-now"));
  ASSERT_TRUE(harness.wait_for("epoch"));
}

std::string state_of(const FinetuneHarness& harness) { return word_property(harness.element(), "learner-state"); }

guint64 generation_of(GstElement* element) {
  guint64 generation = 0;
  g_object_get(element, "generation", &generation, nullptr);
  return generation;
}

// What an element that does not start says.
std::string refusal(GstElement* element) {
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  const std::string text = message ? read_message(message).text : "<no error>";
  if (message) gst_message_unref(message);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  return text;
}

struct Eos {
  explicit Eos(FinetuneHarness& harness)
      : thread([&] {
          gst_harness_push_event(harness.get(), gst_event_new_eos());
          done = true;
        }) {}
  ~Eos() { thread.join(); }
  std::atomic<bool> done = false;
  std::thread thread;
};

}  // namespace

TEST_F(FinetuneLife, EachActionBelowPausedIsRefusedWithOneWarning) {
  GstElement* element = make_learner({});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  for (const char* action : {"train-now", "cancel", "promote", "rollback"}) EXPECT_FALSE(act(element, action));
  gboolean accepted = TRUE;
  g_signal_emit_by_name(element, "answer", guint64{1}, "x", &accepted);
  EXPECT_FALSE(accepted);
  g_signal_emit_by_name(element, "add-sample", nullptr, "x", &accepted);
  EXPECT_FALSE(accepted);
  g_signal_emit_by_name(element, "save", "/nowhere/model.safetensors", &accepted);
  EXPECT_FALSE(accepted);
  guint count = 1;
  g_signal_emit_by_name(element, "label-range", "x", guint64{0}, guint64{1}, &count);
  EXPECT_EQ(count, 0U);
  size_t warnings = 0;
  while (GstMessage* message = gst_bus_pop(bus)) {
    EXPECT_EQ(GST_MESSAGE_TYPE(message), GST_MESSAGE_WARNING);
    EXPECT_NE(read_message(message).text.find("PAUSED"), std::string::npos);
    ++warnings;
    gst_message_unref(message);
  }
  EXPECT_EQ(warnings, 8U);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

TEST_F(FinetuneLife, AMissingBaseModelIsAnErrorThatNamesIt) {
  GstElement* element = make_learner({{"base-model-file", folder_.file("none.safetensors")}});
  EXPECT_NE(refusal(element).find("none.safetensors"), std::string::npos);
  gst_object_unref(element);
}

TEST_F(FinetuneLife, AnAugmentationThatIsNoneIsAnErrorAtTheStart) {
  GstElement* element = make_learner(properties({{"augment", "spin=1"}}));
  EXPECT_NE(refusal(element).find("spin=1"), std::string::npos);
  gst_object_unref(element);
}

TEST_F(FinetuneLife, AnAugmentationThatIsNoneIsAWarningWhilePlaying) {
  FinetuneHarness harness(properties());
  harness.messages();
  harness.set("augment", "spin=1");
  const std::vector<BusMessage> messages = harness.messages();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].type, GST_MESSAGE_WARNING);
  EXPECT_NE(messages[0].text.find("spin=1"), std::string::npos);
}

TEST_F(FinetuneLife, WhatAStoreLostAtTheStartIsAWarningEach) {
  const std::string location = folder_.file("samples");
  const Properties kept = properties({{"train", "off"}, {"instant-head", "off"}, {"replay-location", location}});
  {
    Properties more = kept;
    more.emplace_back("store-frames", "true");
    FinetuneHarness harness(more);
    harness.set("label", "x");
    ASSERT_GE(harness.samples(3, [&] { harness.frame(true); }).size(), 3U);
  }
  const auto warnings = [&](const Properties& asked) {
    FinetuneHarness harness(asked);
    std::vector<std::string> texts;
    for (const BusMessage& message : harness.messages())
      if (message.type == GST_MESSAGE_WARNING) texts.push_back(message.text);
    return texts;
  };
  const std::vector<std::string> pictures = warnings(kept);
  ASSERT_EQ(pictures.size(), 1U);
  EXPECT_NE(pictures[0].find("store-frames"), std::string::npos) << pictures[0];
  std::ofstream(location + "/store.resnetft", std::ios::app) << "torn";
  Properties small = kept;
  small.emplace_back("replay-capacity", "2");
  const std::vector<std::string> two = warnings(small);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_NE(two[0].find("cut off"), std::string::npos) << two[0];
  EXPECT_NE(two[1].find("replay-capacity"), std::string::npos) << two[1];
  EXPECT_TRUE(warnings(small).empty());
}

TEST_F(FinetuneLife, ASecondLearnerOnOneHubIsAnErrorAndPlaysWhenTheFirstHasGone) {
  const Properties shared = properties({{"model-instance-id", "one-hub"}});
  GstElement* second = make_learner(shared);
  {
    FinetuneHarness first(shared);
    ASSERT_TRUE(first.frame(true));
    EXPECT_NE(refusal(second), "<no error>");
    EXPECT_TRUE(first.frame(true));
  }
  EXPECT_EQ(gst_element_set_state(second, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state(second, GST_STATE_NULL);
  gst_object_unref(second);
}

TEST_F(FinetuneLife, TwoLearnersOnTwoHubsTeachTwoModels) {
  FinetuneHarness first(properties({{"model-instance-id", "hub-1"}})),
      second(properties({{"model-instance-id", "hub-2"}}));
  const uint64_t untaught = generation_of(second.element());
  ASSERT_TRUE(first.teach_until_promoted());
  EXPECT_GT(generation_of(first.element()), untaught);
  EXPECT_EQ(generation_of(second.element()), untaught);
  EXPECT_EQ(samples_of(second.element(), "warm"), 0U);
  ASSERT_TRUE(second.teach_until_promoted());
  EXPECT_GT(generation_of(second.element()), untaught);
}

// Without a gate each instant head is shown, however good the one before was.
TEST_F(FinetuneLife, EveryFrameThatEntersAClassifierAfterThePromotionShowsIt) {
  const Properties shared = {{"model-instance-id", "taught"}};
  FinetuneHarness teacher(
      properties({{"model-instance-id", "taught"}, {"train", "off"}, {"gate-min-samples", "100000"}}));
  ElementHarness classifier(shared);
  for (int round = 0; round < 5; ++round) {
    const std::optional<BusMessage> promoted = teacher.teach_until_promoted();
    ASSERT_TRUE(promoted) << round;
    const uint64_t generation = uint64_field(promoted->fields.get(), "model-generation");
    for (uint64_t index = 0; index < 4; ++index) {
      GstBuffer* out = classifier.process(rgb_frame(kRed, 32, 32, 10 * static_cast<uint64_t>(round) + index));
      ASSERT_NE(classification_of(out), nullptr);
      EXPECT_GE(uint64_field(classification_of(out), "model-generation"), generation);
      gst_buffer_unref(out);
    }
  }
}

TEST_F(FinetuneLife, AfterNullItIsAsNew) {
  GstElement* element = make_learner(properties({{"label", "x"}, {"train", "off"}}));
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  GstHarness* harness = gst_harness_new_with_element(element, "sink", "src");
  for (int life = 0; life < 2; ++life) {
    gst_element_set_state(element, GST_STATE_PLAYING);
    gst_harness_set_src_caps_str(harness, rgb_caps(32, 32).c_str());
    EXPECT_EQ(samples_of(element, "x"), 0U) << life;
    uint64_t index = 0;
    EXPECT_TRUE(wait_until([&] {
      GstBuffer* out = gst_harness_push_and_pull(harness, rgb_frame(kRed, 32, 32, index++));
      if (out) gst_buffer_unref(out);
      return samples_of(element, "x") > 0;
    })) << life;
    gst_element_set_state(element, GST_STATE_NULL);
    EXPECT_EQ(samples_of(element, "x"), 0U) << life;
    EXPECT_EQ(generation_of(element), 0U) << life;
    EXPECT_EQ(word_property(element, "learner-state"), "idle") << life;
    gst_harness_push_event(harness, gst_event_new_stream_start("again"));
  }
  gst_harness_teardown(harness);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

TEST_F(FinetuneLife, StopsWithinTwoSecondsInTheMiddleOfARun) {
  const auto stop_a_run = [&] {
    FinetuneHarness harness(endless());
    begin_endless_run(harness);
    EXPECT_EQ(state_of(harness), "training");
    const gint64 took = time_of([&] { gst_element_set_state(harness.element(), GST_STATE_READY); });
    EXPECT_EQ(state_of(harness), "idle");
    harness.messages();
    g_usleep(200000);
    EXPECT_TRUE(harness.messages().empty());  // nothing is posted after stop() returned
    return took;
  };
  EXPECT_LT(shortest_time(kStopsWithin_us, stop_a_run), kStopsWithin_us);
}

TEST_F(FinetuneLife, PausingDoesNotPauseTraining) {
  FinetuneHarness harness(endless());
  begin_endless_run(harness);
  gst_element_set_state(harness.element(), GST_STATE_PAUSED);
  harness.messages();
  EXPECT_TRUE(harness.wait_for("epoch"));
  EXPECT_TRUE(harness.wait_for("epoch"));
}

TEST_F(FinetuneLife, CancelEndsARun) {
  FinetuneHarness harness(endless());
  begin_endless_run(harness);
  EXPECT_TRUE(act(harness.element(), "cancel"));
  EXPECT_TRUE(wait_until([&] { return state_of(harness) != "training"; }));
}

// The bus calls its sync handler on the thread that posts. A learner that waited for itself would give up after 1.8 s.
TEST_F(FinetuneLife, AHandlerOnTheLearnersOwnThreadMayStopTheElement) {
  constexpr gint64 kAtOnce_us = 1500000;
  for (const GstState target : {GST_STATE_READY, GST_STATE_NULL}) {
    const auto stop_from_inside = [&] {
      GstElement* pipeline = gst_pipeline_new(nullptr);
      GstElement* source = gst_parse_bin_from_description(
          "videotestsrc ! video/x-raw, format=RGB, width=32, height=32, framerate=100/1", TRUE, nullptr);
      GstElement* element = make_learner(properties({{"label", "x"}, {"train", "off"}}));
      GstElement* sink = gst_element_factory_make("fakesink", nullptr);
      gst_bin_add_many(GST_BIN(pipeline), source, element, sink, nullptr);
      EXPECT_TRUE(gst_element_link_many(source, element, sink, nullptr));
      struct Stop {
        GstElement* pipeline;
        GstState target;
        std::atomic<int> heard = 0;
        std::atomic<gint64> took = 0;
        std::atomic<bool> done = false;
      } stop{pipeline, target};
      GstBus* bus = gst_element_get_bus(pipeline);
      gst_bus_set_sync_handler(
          bus,
          [](GstBus*, GstMessage* message, gpointer user) {
            auto* data = static_cast<Stop*>(user);
            if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT && data->heard.fetch_add(1) == 0) {
              data->took = time_of([&] { gst_element_set_state(data->pipeline, data->target); });
              data->done = true;
            }
            return GST_BUS_DROP;
          },
          &stop, nullptr);
      gst_element_set_state(pipeline, GST_STATE_PLAYING);
      EXPECT_TRUE(wait_until([&] { return stop.done.load(); }));
      EXPECT_NE(gst_element_set_state(pipeline, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);  // it is as new
      gst_element_set_state(pipeline, GST_STATE_NULL);
      gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
      gst_object_unref(bus);
      gst_object_unref(pipeline);
      return stop.took.load();
    };
    EXPECT_LT(shortest_time(kAtOnce_us, stop_from_inside), kAtOnce_us);
  }
}

TEST_F(FinetuneLife, EosGoesOnAtOnceDuringARun) {
  FinetuneHarness harness(endless());
  begin_endless_run(harness);
  gst_harness_push_event(harness.get(), gst_event_new_eos());  // would wait for ever if it waited for the run
  EXPECT_EQ(state_of(harness), "training");
}

TEST_F(FinetuneLife, WithFinishOnEosTheRunsMessageComesBeforeEos) {
  FinetuneHarness harness(endless({{"finish-on-eos", "true"}}));
  begin_endless_run(harness);
  struct Order {
    FinetuneHarness& harness;
    std::string state_at_eos = {};
    std::set<std::string> heard_before = {};
  } order{harness};
  GstPad* pad = gst_element_get_static_pad(harness.element(), "src");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer user) {
        auto* seen = static_cast<Order*>(user);
        if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_EOS) return GST_PAD_PROBE_OK;
        seen->state_at_eos = state_of(seen->harness);
        for (const BusMessage& message : seen->harness.messages()) seen->heard_before.insert(message.event);
        return GST_PAD_PROBE_OK;
      },
      &order, nullptr);
  {
    Eos eos(harness);
    g_usleep(300000);
    EXPECT_FALSE(eos.done);
    EXPECT_TRUE(act(harness.element(), "cancel"));
  }
  EXPECT_NE(order.state_at_eos, "");
  EXPECT_NE(order.state_at_eos, "training");
  EXPECT_TRUE(order.heard_before.contains("not-trained"));
  gst_object_unref(pad);
}

TEST_F(FinetuneLife, TheWaitForARunAtEosEndsWhenTheElementStops) {
  const auto stop_it = [&] {
    FinetuneHarness harness(endless({{"finish-on-eos", "true"}}));
    begin_endless_run(harness);
    Eos eos(harness);
    g_usleep(300000);
    EXPECT_FALSE(eos.done);
    const gint64 took = time_of([&] { gst_element_set_state(harness.element(), GST_STATE_READY); });
    EXPECT_TRUE(wait_until([&] { return eos.done.load(); }));
    return took;
  };
  EXPECT_LT(shortest_time(kStopsWithin_us, stop_it), kStopsWithin_us);
}

TEST_F(FinetuneLife, TheWaitForARunAtEosEndsWithAFlush) {
  FinetuneHarness harness(endless({{"finish-on-eos", "true"}}));
  begin_endless_run(harness);
  Eos eos(harness);
  g_usleep(300000);
  EXPECT_FALSE(eos.done);
  gst_harness_push_event(harness.get(), gst_event_new_flush_start());
  EXPECT_TRUE(wait_until([&] { return eos.done.load(); }));
  EXPECT_EQ(state_of(harness), "training");
  gst_harness_push_event(harness.get(), gst_event_new_flush_stop(TRUE));
}

TEST_F(FinetuneLife, ReadOnlyPropertiesNotify) {
  FinetuneHarness harness(properties());
  struct Heard {
    std::mutex lock;
    std::set<std::string> names;
  } heard;
  g_signal_connect(harness.element(), "notify", G_CALLBACK(+[](GObject*, GParamSpec* spec, gpointer user) {
                     auto* data = static_cast<Heard*>(user);
                     const std::scoped_lock guard(data->lock);
                     data->names.insert(spec->name);
                   }),
                   &heard);
  ASSERT_TRUE(harness.teach_until_promoted());
  const auto all = [&] {
    act(harness.element(), "train-now");
    g_usleep(100000);
    const std::scoped_lock guard(heard.lock);
    for (const char* name : {"learner-state", "progress", "samples-per-class", "generation"})
      if (!heard.names.contains(name)) return false;
    return true;
  };
  EXPECT_TRUE(wait_until(all));
}

TEST_F(FinetuneLife, TheEndOfARunIsNotified) {
  FinetuneHarness harness(properties({{"train", "manual"}, {"instant-head", "off"}}));
  struct Heard {
    std::mutex lock;
    std::vector<std::string> states;
  } heard;
  g_signal_connect(harness.element(), "notify::learner-state",
                   G_CALLBACK(+[](GObject* element, GParamSpec*, gpointer user) {
                     auto* data = static_cast<Heard*>(user);
                     const std::scoped_lock guard(data->lock);
                     data->states.push_back(word_property(GST_ELEMENT(element), "learner-state"));
                   }),
                   &heard);
  begin_endless_run(harness);  // of two epochs
  EXPECT_TRUE(wait_until([&] {
    const std::scoped_lock guard(heard.lock);
    return heard.states.back() == "collecting" && std::ranges::count(heard.states, "training") == 1;
  }));
}

TEST_F(FinetuneLife, AFolderThatCannotBeWrittenIsAMessageAndTheVideoGoesOn) {
  FinetuneHarness harness(properties({{"checkpoint-dir", "/proc/resnetft"}, {"train", "off"}}));
  std::optional<BusMessage> failed;
  for (int round = 0; round < 2000 && !failed; ++round) {
    harness.set("label", round / 10 % 2 ? "cold" : "warm");
    ASSERT_TRUE(harness.frame(round / 10 % 2 == 0));
    g_usleep(10000);
    for (BusMessage& message : harness.messages()) {
      EXPECT_NE(message.type, GST_MESSAGE_ERROR) << message.text;
      if (message.event == "error") failed = std::move(message);
    }
  }
  ASSERT_TRUE(failed);
  EXPECT_NE(text_field(failed->fields.get(), "message").find("/proc/resnetft"), std::string::npos);
  EXPECT_EQ(state_of(harness), "error");
  EXPECT_EQ(generation_of(harness.element()), 1U);
  EXPECT_TRUE(harness.frame(true));
}

TEST_F(FinetuneLife, ASeekDuringTrainingLosesNoSampleAndNoFrame) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(
      ("videotestsrc pattern=snow ! video/x-raw, format=RGB, width=32, height=32, framerate=50/1 ! resnetfinetune "
       "name=f label=a train=manual instant-head=off epochs=1000000 sample-interval=1 model-instance-id=seek "
       "base-model-file=" +
       color_file() + " ! fakesink name=sink sync=true")
          .c_str(),
      &error);
  ASSERT_EQ(error, nullptr);
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), "f");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  ASSERT_TRUE(wait_until([&] { return samples_of(element, "a") >= 8; }));
  g_object_set(element, "label", "b", nullptr);
  ASSERT_TRUE(wait_until([&] { return samples_of(element, "b") >= 8; }));
  ASSERT_TRUE(act(element, "train-now"));
  ASSERT_TRUE(wait_until([&] { return word_property(element, "learner-state") == "training"; }));
  const uint64_t a = samples_of(element, "a"), b = samples_of(element, "b");
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(gst_element_seek_simple(
        pipeline, GST_FORMAT_TIME, static_cast<GstSeekFlags>(int{GST_SEEK_FLAG_FLUSH} | int{GST_SEEK_FLAG_ACCURATE}),
        static_cast<gint64>(i) * GST_SECOND));
    ASSERT_NE(gst_element_get_state(pipeline, nullptr, nullptr, kHangGuard_ns), GST_STATE_CHANGE_FAILURE);
    EXPECT_GE(samples_of(element, "a"), a);
    EXPECT_GE(samples_of(element, "b"), b);
  }
  EXPECT_EQ(word_property(element, "learner-state"), "training");
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(element);
  gst_object_unref(pipeline);
}

TEST_F(FinetuneLife, ASavedModelIsReadBack) {
  FinetuneHarness harness(properties());
  const std::string path = folder_.file("saved.safetensors");
  gboolean accepted = FALSE;
  g_signal_emit_by_name(harness.element(), "save", path.c_str(), &accepted);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(load_model(path).value()->card().labels.size(), 3U);
  harness.messages();
  g_signal_emit_by_name(harness.element(), "save", folder_.file("model.txt").c_str(), &accepted);
  EXPECT_FALSE(accepted);
  EXPECT_EQ(harness.messages().size(), 1U);  // the warning
}

}  // namespace resnetft::testing
