// SPDX-License-Identifier: MIT
// An element in a GstHarness, with a bus of its own, and frames to push into it.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "color_model.h"
#include "gst_ref.h"
#include "support/shortest_time.h"
#include "support/temporary_folder.h"
#include "support/wait_until.h"

namespace resnetft::testing {

using Color = std::array<uint8_t, 3>;
inline constexpr Color kRed = {255, 0, 0}, kGreen = {0, 255, 0}, kBlue = {0, 0, 255};

// "property", "value" as gst-launch reads them.
using Properties = std::vector<std::pair<std::string, std::string>>;

inline GstElement* make_element(const char* factory, const Properties& properties) {
  GstElement* element = gst_element_factory_make(factory, nullptr);
  EXPECT_NE(element, nullptr) << "GST_PLUGIN_PATH does not lead to libgstresnetft.so";
  for (const auto& [name, value] : properties) gst_util_set_object_arg(G_OBJECT(element), name.c_str(), value.c_str());
  return element;
}

inline GstElement* make_classifier(const Properties& properties) { return make_element("resnetclassify", properties); }

// A message of the element, copied off the bus.
struct BusMessage {
  GstMessageType type = GST_MESSAGE_UNKNOWN;
  std::string event = {};    // of element messages
  std::string text = {};     // of errors and warnings
  GQuark domain = 0;         // of errors and warnings
  int code = 0;              // of errors and warnings
  StructurePtr fields = {};  // may be null
};

inline BusMessage read_message(GstMessage* message) {
  const GstStructure* structure = gst_message_get_structure(message);
  BusMessage result{.type = GST_MESSAGE_TYPE(message)};
  if (structure) result.fields.reset(gst_structure_copy(structure));
  if (result.type == GST_MESSAGE_ELEMENT)
    if (const gchar* event = gst_structure_get_string(structure, "event")) result.event = event;
  if (result.type == GST_MESSAGE_ERROR || result.type == GST_MESSAGE_WARNING) {
    GError* error = nullptr;
    result.type == GST_MESSAGE_ERROR ? gst_message_parse_error(message, &error, nullptr)
                                     : gst_message_parse_warning(message, &error, nullptr);
    result.text = error->message;
    result.domain = error->domain;
    result.code = error->code;
    g_error_free(error);
  }
  return result;
}

inline std::string text_field(const GstStructure* structure, const char* name) {
  const gchar* text = structure ? gst_structure_get_string(structure, name) : nullptr;
  return text ? text : "<none>";
}

inline uint64_t uint64_field(const GstStructure* structure, const char* name) {
  guint64 value = 0;
  EXPECT_TRUE(structure && gst_structure_get_uint64(structure, name, &value)) << name;
  return value;
}

inline unsigned uint_field(const GstStructure* structure, const char* name) {
  guint value = 0;
  EXPECT_TRUE(structure && gst_structure_get_uint(structure, name, &value)) << name;
  return value;
}

inline double double_field(const GstStructure* structure, const char* name) {
  gdouble value = 0;
  EXPECT_TRUE(structure && gst_structure_get_double(structure, name, &value)) << name;
  return value;
}

inline const GstStructure* classification_of(GstBuffer* buffer) {
  GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "ResnetClassification");
  return meta ? gst_custom_meta_get_structure(meta) : nullptr;
}

// A packed RGB frame of one colour. `index` counts frames of 1/30 s.
inline GstBuffer* rgb_frame(const Color& color, int width, int height, uint64_t index) {
  const int stride = GST_ROUND_UP_4(3 * width);
  GstBuffer* buffer =
      gst_buffer_new_allocate(nullptr, static_cast<gsize>(stride) * static_cast<gsize>(height), nullptr);
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_WRITE);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) map.data[y * stride + 3 * x + c] = color[static_cast<size_t>(c)];
  gst_buffer_unmap(buffer, &map);
  GST_BUFFER_PTS(buffer) = gst_util_uint64_scale(index, GST_SECOND, 30);
  GST_BUFFER_DURATION(buffer) = GST_SECOND / 30;
  return buffer;
}

inline std::string rgb_caps(int width, int height) {
  return "video/x-raw, format=RGB, framerate=30/1, width=" + std::to_string(width) +
         ", height=" + std::to_string(height);
}

inline constexpr GstClockTime kHangGuard_ns = std::chrono::nanoseconds(kHangGuard).count();

inline gint64 time_of(const std::function<void()>& work) {
  const gint64 start = g_get_monotonic_time();
  work();
  return g_get_monotonic_time() - start;
}

class ElementHarness {
 public:
  // Plays at once. `caps` "": none are sent.
  explicit ElementHarness(const Properties& properties, const std::string& caps = rgb_caps(32, 32))
      : ElementHarness(make_classifier(properties), caps) {}
  // Takes the floating reference.
  ElementHarness(GstElement* element, const std::string& caps) : element_(element), bus_(gst_bus_new()) {
    gst_element_set_bus(element_, bus_);
    harness_ = gst_harness_new_with_element(element_, "sink", "src");
    if (!caps.empty()) gst_harness_set_src_caps_str(harness_, caps.c_str());
  }
  ~ElementHarness() {
    if (harness_) gst_harness_teardown(harness_);
    gst_element_set_bus(element_, nullptr);
    gst_object_unref(element_);
    gst_object_unref(bus_);
  }
  ElementHarness(const ElementHarness&) = delete;
  ElementHarness& operator=(const ElementHarness&) = delete;

  GstHarness* get() const { return harness_; }
  GstElement* element() const { return element_; }
  void set(const std::string& name, const std::string& value) {
    gst_util_set_object_arg(G_OBJECT(element_), name.c_str(), value.c_str());
  }

  // Pushes a frame and gives back what comes out; the caller owns it. Null where nothing came out.
  GstBuffer* process(GstBuffer* buffer) {
    last_flow_ = gst_harness_push(harness_, buffer);
    return gst_harness_try_pull(harness_);
  }
  // The label in the custom meta of a frame of that colour, "<none>" without one.
  std::string label_of(const Color& color, int side = 32) {
    GstBuffer* out = process(rgb_frame(color, side, side, next_index_++));
    const std::string label = out ? text_field(classification_of(out), "label") : "<no frame>";
    if (out) gst_buffer_unref(out);
    return label;
  }
  GstFlowReturn last_flow() const { return last_flow_; }

  // Takes everything off the bus.
  std::vector<BusMessage> messages() {
    std::vector<BusMessage> result;
    while (GstMessage* message = gst_bus_pop(bus_)) {
      result.push_back(read_message(message));
      gst_message_unref(message);
    }
    return result;
  }
  std::vector<BusMessage> events(const std::string& event) {
    std::vector<BusMessage> result = messages();
    std::erase_if(result, [&](const BusMessage& message) { return message.event != event; });
    return result;
  }
  // Waits for an element message of that event. Other messages are dropped.
  std::optional<BusMessage> wait_for(const std::string& event) {
    std::optional<BusMessage> found;
    wait_until([&] {
      GstMessage* message = gst_bus_timed_pop(bus_, GST_SECOND / 10);
      if (!message) return false;
      BusMessage read = read_message(message);
      gst_message_unref(message);
      if (read.event == event) found = std::move(read);
      return found.has_value();
    });
    return found;
  }

 private:
  GstElement* element_;
  GstBus* bus_;
  GstHarness* harness_ = nullptr;
  GstFlowReturn last_flow_ = GST_FLOW_OK;
  uint64_t next_index_ = 0;
};

// A folder with model files in it.
class ElementTest : public ::testing::Test {
 protected:
  std::string save(const std::string& name, const std::shared_ptr<const Model>& model) {
    const std::string path = folder_.file(name);
    const Status status = save_model(*model, path);
    EXPECT_TRUE(status) << (status ? "" : to_string(status.error()));
    return path;
  }
  std::string color_file() { return save("color.safetensors", color_model()); }

  TemporaryFolder folder_;
};

}  // namespace resnetft::testing
