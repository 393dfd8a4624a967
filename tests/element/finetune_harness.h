// SPDX-License-Identifier: MIT
// resnetfinetune in a GstHarness, and warm and cold frames to teach it.
#pragma once

#include <functional>
#include <random>

#include "element_harness.h"

namespace resnetft::testing {

inline GstElement* make_learner(const Properties& properties) { return make_element("resnetfinetune", properties); }

inline GstEvent* label_event(const char* label) {
  GstStructure* structure = label ? gst_structure_new("resnet-label", "label", G_TYPE_STRING, label, nullptr)
                                  : gst_structure_new_empty("resnet-label");
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, structure);
}

// Colours that a person would call so, as far apart as they come: the store refuses near-duplicates.
inline Color warm_or_cold(bool warm, std::mt19937& random) {
  std::uniform_int_distribution<int> high(128, 255), low(0, 100), any(0, 255);
  const auto strong = static_cast<uint8_t>(high(random)), weak = static_cast<uint8_t>(low(random));
  const auto middle = static_cast<uint8_t>(any(random));
  return warm ? Color{strong, middle, weak} : Color{weak, middle, strong};
}

inline gboolean act(GstElement* element, const char* action) {
  gboolean accepted = FALSE;
  g_signal_emit_by_name(element, action, &accepted);
  return accepted;
}

inline std::string word_property(GstElement* element, const char* name) {
  GValue value = G_VALUE_INIT;
  g_object_get_property(G_OBJECT(element), name, &value);
  gchar* text = gst_value_serialize(&value);
  g_value_unset(&value);
  const std::string result = text ? text : "";
  g_free(text);
  return result;
}

// Samples kept, in all and of one class.
inline uint64_t samples_of(GstElement* element, const std::string& label) {
  GstStructure* boxed = nullptr;
  g_object_get(element, "samples-per-class", &boxed, nullptr);
  const StructurePtr samples(boxed);
  const GValue* classes = gst_structure_get_value(samples.get(), "classes");
  uint64_t count = 0;
  for (guint i = 0; i < gst_value_array_get_size(classes); ++i) {
    const auto* item = static_cast<const GstStructure*>(g_value_get_boxed(gst_value_array_get_value(classes, i)));
    if (text_field(item, "label") == label) count += uint64_field(item, "train") + uint64_field(item, "holdout");
  }
  return count;
}

class FinetuneHarness : public ElementHarness {
 public:
  explicit FinetuneHarness(const Properties& properties, const std::string& caps = rgb_caps(32, 32))
      : ElementHarness(make_learner(properties), caps) {}

  // The next frame, 1/30 s after the one before. False: it did not come out.
  bool frame(const Color& color, int side = 32) {
    GstBuffer* out = process(rgb_frame(color, side, side, next_++));
    if (out) gst_buffer_unref(out);
    return out != nullptr;
  }
  bool frame(bool warm) { return frame(warm_or_cold(warm, random_)); }

  // The next samples that are stored of what `again` pushes every 10 ms, until there are `count`.
  std::vector<BusMessage> samples(size_t count, const std::function<void()>& again) {
    std::vector<BusMessage> stored;
    wait_until([&] {
      again();
      g_usleep(10000);
      for (BusMessage& message : events("sample-stored")) stored.push_back(std::move(message));
      return stored.size() >= count;
    });
    return stored;
  }

  // Pushes warm and cold frames in turn, named so, until a model is promoted.
  std::optional<BusMessage> teach_until_promoted() {
    std::optional<BusMessage> promoted;
    wait_until([&, round = 0]() mutable {
      const bool warm = round++ / 10 % 2 == 0;
      set("label", warm ? "warm" : "cold");
      frame(warm);
      g_usleep(10000);
      for (BusMessage& message : messages())
        if (message.event == "promoted") promoted = std::move(message);
      return promoted.has_value();
    });
    return promoted;
  }

  uint64_t next_index() const { return next_; }
  void skip_to(uint64_t index) { next_ = index; }

 private:
  uint64_t next_ = 0;
  std::mt19937 random_{7};
};

class FinetuneTest : public ElementTest {
 protected:
  // A private hub, every frame, and a run as soon as there is anything to learn from.
  Properties properties(Properties more = {}) {
    Properties all = {{"model-instance-id", ""}, {"base-model-file", color_file()},
                      {"sample-interval", "1"},  {"min-samples", "16"},
                      {"min-per-class", "4"},    {"min-new-samples", "8"},
                      {"gate-min-samples", "8"}, {"gate-min-per-class", "2"},
                      {"epochs", "2"},           {"holdout-block", "200000000"},
                      {"holdout-gap", "0"}};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

}  // namespace resnetft::testing
