// SPDX-License-Identifier: MIT
// Property changes, signals, events, seeks and state changes from several threads at once, drawn from a seed.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "finetune_harness.h"

namespace resnetft::testing {

// What one sequence saw. A frame that entered and did not come out was in flight when a flush or a shut-down came.
struct SequenceOutcome {
  uint64_t frames_in = 0, frames_out = 0;
  unsigned interruptions = 0;
  std::vector<std::string> errors;
};

class RandomSequence {
 public:
  RandomSequence(unsigned seed, const std::string& model_file) : seed_(seed) {
    // No capsfilter: it makes an error of an event that meets a shut-down (see sink_event_full() of our elements).
    const std::string line =
        "videotestsrc pattern=snow ! resnetfinetune "
        "name=f model-instance-id=random sample-interval=1 min-samples=4 min-per-class=2 min-new-samples=2 epochs=2 "
        "gate-min-samples=2 gate-min-per-class=1 candidate-ring-bytes=1048576 base-model-file=" +
        model_file + " ! resnetclassify model-instance-id=random threads=1 ! fakesink sync=false";
    pipeline_ = gst_parse_launch(line.c_str(), nullptr);
    element_ = gst_bin_get_by_name(GST_BIN(pipeline_), "f");
    bus_ = gst_element_get_bus(pipeline_);
    count_frames("sink", &in_);
    count_frames("src", &out_);
  }
  ~RandomSequence() {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(bus_);
    gst_object_unref(element_);
    gst_object_unref(pipeline_);
  }

  SequenceOutcome run() {
    gst_element_set_state(pipeline_, GST_STATE_PLAYING);
    std::thread properties([this] { repeat(1, 20, [this](std::mt19937& random) { change_property(random); }); });
    std::thread signals([this] { repeat(2, 20, [this](std::mt19937& random) { emit_signal(random); }); });
    std::thread labels([this] { repeat(3, 20, [this](std::mt19937& random) { send_label(random); }); });
    repeat(4, 6, [this](std::mt19937& random) { change_state(random); });
    properties.join();
    signals.join();
    labels.join();
    set_state(GST_STATE_PLAYING);
    wait_until([before = out_.load(), this] { return out_ > before; });
    ++interruptions_;
    gst_element_set_state(pipeline_, GST_STATE_READY);  // NULL empties the bus
    SequenceOutcome outcome{in_, out_, interruptions_, errors()};
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    return outcome;
  }

 private:
  void count_frames(const char* name, std::atomic<uint64_t>* counter) {
    GstPad* pad = gst_element_get_static_pad(element_, name);
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer user) {
          ++*static_cast<std::atomic<uint64_t>*>(user);
          return GST_PAD_PROBE_OK;
        },
        counter, nullptr);
    gst_object_unref(pad);
  }

  template <class Step>
  void repeat(unsigned thread, int steps, Step step) {
    std::mt19937 random(seed_ * 8 + thread);
    for (int i = 0; i < steps; ++i) {
      step(random);
      g_usleep(random() % 5000);
    }
  }

  void change_property(std::mt19937& random) {
    static const Properties choices = {{"label", "a"},
                                       {"label", "b"},
                                       {"label", ""},
                                       {"label-source", "property+event+roi"},
                                       {"label-source", "event"},
                                       {"sample-interval", "1"},
                                       {"sample-interval", "7"},
                                       {"sample-policy", "changed"},
                                       {"sample-policy", "uncertain"},
                                       {"sample-policy", "every"},
                                       {"train", "off"},
                                       {"train", "auto"},
                                       {"epochs", "1"},
                                       {"optimizer", "adamw"},
                                       {"duty-cycle", "1"},
                                       {"duty-cycle", "0.1"},
                                       {"promotion", "ask"},
                                       {"promotion", "auto"},
                                       {"instant-head", "means"},
                                       {"instant-head", "off"},
                                       {"instant-head", "lda"},
                                       {"allow-new-classes", "false"},
                                       {"allow-new-classes", "true"},
                                       {"finish-on-eos", "true"},
                                       {"augment", "hflip=0"},
                                       {"gate-min-delta", "0.5"}};
    const auto& [name, value] = choices[random() % choices.size()];
    gst_util_set_object_arg(G_OBJECT(element_), name.c_str(), value.c_str());
  }

  void emit_signal(std::mt19937& random) {
    static constexpr std::array kActions = {"train-now", "cancel", "promote", "rollback"};
    const unsigned choice = random() % (kActions.size() + 2);
    if (choice < kActions.size()) act(element_, kActions[choice]);
    guint count = 0;
    gboolean accepted = FALSE;
    if (choice == kActions.size())
      g_signal_emit_by_name(element_, "label-range", "c", guint64{0}, guint64{GST_SECOND}, &count);
    if (choice == kActions.size() + 1) g_signal_emit_by_name(element_, "answer", guint64{random() % 4}, "a", &accepted);
    word_property(element_, "learner-state");
    samples_of(element_, "a");
  }

  void send_label(std::mt19937& random) {
    static constexpr std::array kLabels = {"a", "b", "c", ""};
    gst_element_send_event(element_, label_event(kLabels[random() % kLabels.size()]));
  }

  void change_state(std::mt19937& random) {
    switch (random() % 5) {
      case 0:
        return set_state(GST_STATE_PAUSED);
      case 1:
        ++interruptions_;
        set_state(GST_STATE_READY);
        return set_state(GST_STATE_PLAYING);
      case 2:
        ++interruptions_;
        gst_element_seek_simple(pipeline_, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0);
        return;
      default:
        return set_state(GST_STATE_PLAYING);
    }
  }

  // A pipeline of GStreamer 1.22 whose state changes while an earlier change is under way may miss that its sink is
  // done, with identity elements in place of ours, too; then it waits for ever.
  void set_state(GstState state) {
    gst_element_set_state(pipeline_, state);
    gst_element_get_state(pipeline_, nullptr, nullptr, 2 * GST_SECOND);
  }

  std::vector<std::string> errors() {
    std::vector<std::string> texts;
    while (GstMessage* message = gst_bus_pop(bus_)) {
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) texts.push_back(whole_error(message));
      gst_message_unref(message);
    }
    return texts;
  }

  static std::string whole_error(GstMessage* message) {
    gchar* details = nullptr;
    gst_message_parse_error(message, nullptr, &details);
    const std::string text = read_message(message).text + ": " + (details ? details : "");
    g_free(details);
    return text;
  }

  const unsigned seed_;
  GstElement* pipeline_;
  GstElement* element_;
  GstBus* bus_;
  std::atomic<uint64_t> in_ = 0, out_ = 0;
  unsigned interruptions_ = 0;
};

inline void run_random_sequences(unsigned count, const std::string& model_file) {
  unsigned run = 0;
  for (unsigned seed = 0; seed < count && !::testing::Test::HasFailure(); ++seed, ++run) {
    RandomSequence sequence(seed, model_file);
    const SequenceOutcome outcome = sequence.run();
    EXPECT_GT(outcome.frames_out, 0U) << "seed " << seed;
    EXPECT_LE(outcome.frames_out, outcome.frames_in) << "seed " << seed;
    EXPECT_LE(outcome.frames_in - outcome.frames_out, outcome.interruptions) << "seed " << seed;
    EXPECT_EQ(outcome.errors, std::vector<std::string>()) << "seed " << seed;
  }
  std::printf("%u random sequences were run\n", run);
}

}  // namespace resnetft::testing
