// SPDX-License-Identifier: MIT
// Caps that name a GPU's memory, on machines without one: who offers them, and how negotiation goes without.
#include "device/device_choice.h"
#include "element_harness.h"
#include "gst_cuda.h"

namespace resnetft::testing {
namespace {

using CapsPtr = GRef<GstCaps>;

bool names_gpu_memory(GstCaps* caps) {
  for (guint i = 0; i < gst_caps_get_size(caps); ++i)
    if (gst_caps_features_contains(gst_caps_get_features(caps, i), kCudaMemoryFeature)) return true;
  return false;
}

CapsPtr caps_of(GstElement* element, const char* pad_name, const char* filter = nullptr) {
  GstPad* pad = gst_element_get_static_pad(element, pad_name);
  const auto wanted = CapsPtr::adopt(filter ? gst_caps_from_string(filter) : nullptr);
  const auto caps = CapsPtr::adopt(gst_pad_query_caps(pad, wanted.get()));
  gst_object_unref(pad);
  return caps;
}

constexpr const char* kOnGpu = "video/x-raw(memory:CUDAMemory), format=NV12, width=64, height=48, framerate=30/1";
constexpr const char* kOnEither =
    "video/x-raw(memory:CUDAMemory), format=NV12, width=64, height=48, framerate=30/1; "
    "video/x-raw, format=NV12, width=64, height=48, framerate=30/1";

GstBuffer* grey_nv12() {
  constexpr gsize kBytes = 64 * 48 * 3 / 2;
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, kBytes, nullptr);
  gst_buffer_memset(buffer, 0, 128, kBytes);
  GST_BUFFER_PTS(buffer) = 0;
  return buffer;
}

bool has_gpu() { return choose_device("auto").value().cuda; }

class GpuCaps : public ElementTest {
 protected:
  void SetUp() override {
    if (cuda_formats().empty()) GTEST_SKIP() << "not tested: this build has no gstreamer-cuda";
  }
};

}  // namespace

TEST_F(GpuCaps, ComeFirstInBothTemplatesOfBothElements) {
  for (const char* name : {"resnetclassify", "resnetfinetune"}) {
    const auto factory = GRef<GstElementFactory>::adopt(gst_element_factory_find(name));
    ASSERT_TRUE(factory);
    for (const GList* at = gst_element_factory_get_static_pad_templates(factory.get()); at; at = at->next) {
      auto* pad = static_cast<GstStaticPadTemplate*>(at->data);
      const auto caps = CapsPtr::adopt(gst_static_caps_get(&pad->static_caps));
      for (const char* format : {"NV12", "I420", "RGBA", "BGR"}) {
        const std::string text =
            "video/x-raw(memory:CUDAMemory), framerate=30/1, width=64, height=48, format=" + std::string(format);
        const auto one = CapsPtr::adopt(gst_caps_from_string(text.c_str()));
        EXPECT_TRUE(gst_caps_is_subset(one.get(), caps.get())) << name << " " << text;
      }
      EXPECT_TRUE(gst_caps_features_contains(gst_caps_get_features(caps.get(), 0), kCudaMemoryFeature)) << name;
    }
  }
}

TEST_F(GpuCaps, BelowReadyAreOfferedUnlessTheDeviceIsTheCpu) {
  for (const auto& [device, offered] : {std::pair{"cpu", false}, {"auto", true}, {"cuda:1", true}}) {
    const auto element =
        GRef<GstElement>::adopt(GST_ELEMENT(gst_object_ref_sink(make_classifier({{"device", device}}))));
    for (const char* pad : {"sink", "src"})
      EXPECT_EQ(names_gpu_memory(caps_of(element.get(), pad).get()), offered) << device << " " << pad;
  }
}

TEST_F(GpuCaps, AreGivenUpWhereTheModelRunsOnTheCpu) {
  if (has_gpu()) GTEST_SKIP() << "not tested: this machine has a GPU";
  for (const char* device : {"cpu", "auto"}) {
    ElementHarness harness({{"model-file", color_file()}, {"device", device}}, "");
    for (const char* pad : {"sink", "src"}) {
      EXPECT_FALSE(names_gpu_memory(caps_of(harness.element(), pad).get())) << device << " " << pad;
      const CapsPtr common = caps_of(harness.element(), pad, kOnEither);
      EXPECT_EQ(gst_caps_get_size(common.get()), 1u) << device << " " << pad;
    }
    EXPECT_TRUE(gst_caps_is_empty(caps_of(harness.element(), "sink", kOnGpu).get())) << device;
  }
}

TEST_F(GpuCaps, ThatAreForcedOnACpuAreNotNegotiated) {
  if (has_gpu()) GTEST_SKIP() << "not tested: this machine has a GPU";
  ElementHarness harness({{"model-file", color_file()}}, "");
  gst_harness_set_src_caps_str(harness.get(), kOnGpu);
  EXPECT_EQ(harness.process(grey_nv12()), nullptr);
  EXPECT_EQ(harness.last_flow(), GST_FLOW_NOT_NEGOTIATED);
}

// A source that could give either gives what the CPU reads.
TEST_F(GpuCaps, FallToTheHostsMemoryByNegotiationAlone) {
  if (has_gpu()) GTEST_SKIP() << "not tested: this machine has a GPU";
  const std::string text = "videotestsrc num-buffers=2 ! capsfilter name=either caps=\"" + std::string(kOnEither) +
                           "\" ! resnetclassify name=classify model-file=" + color_file() + " ! fakesink";
  GError* error = nullptr;
  const auto pipeline =
      GRef<GstElement>::adopt(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(text.c_str(), &error))));
  ASSERT_EQ(error, nullptr) << error->message;
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto bus = GRef<GstBus>::adopt(gst_element_get_bus(pipeline.get()));
  const auto message = GRef<GstMessage>::adopt(gst_bus_timed_pop_filtered(
      bus.get(), 30 * GST_SECOND, static_cast<GstMessageType>(int{GST_MESSAGE_EOS} | int{GST_MESSAGE_ERROR})));
  ASSERT_TRUE(message);
  EXPECT_EQ(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}

// It learns on the host, of a copy, so that its device has no say.
TEST_F(GpuCaps, AreTakenByTheLearnerWhateverItsDevice) {
  ElementHarness harness(
      make_element("resnetfinetune", {{"base-model-file", color_file()}, {"training-device", "cpu"}}), kOnGpu);
  GstBuffer* in = grey_nv12();
  GstBuffer* out = harness.process(in);
  EXPECT_EQ(out, in);
  if (out) gst_buffer_unref(out);
  EXPECT_EQ(harness.last_flow(), GST_FLOW_OK);
}

TEST_F(GpuCaps, OfADeviceThatIsMissingAreAnErrorWithTheReason) {
  if (has_gpu()) GTEST_SKIP() << "not tested: this machine has a GPU";
  const auto element = GRef<GstElement>::adopt(
      GST_ELEMENT(gst_object_ref_sink(make_classifier({{"device", "cuda"}, {"model-file", color_file()}}))));
  const auto bus = GRef<GstBus>::adopt(gst_bus_new());
  gst_element_set_bus(element.get(), bus.get());
  EXPECT_EQ(gst_element_set_state(element.get(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  EXPECT_FALSE(names_gpu_memory(caps_of(element.get(), "sink").get()));
  EXPECT_EQ(gst_element_set_state(element.get(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  const auto message = GRef<GstMessage>::adopt(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  ASSERT_TRUE(message);
  const BusMessage read = read_message(message.get());
  EXPECT_EQ(read.domain, GST_LIBRARY_ERROR);
  EXPECT_EQ(read.code, GST_LIBRARY_ERROR_INIT);
  EXPECT_NE(read.text.find("device 'cuda'"), std::string::npos) << read.text;
  gst_element_set_state(element.get(), GST_STATE_NULL);
  gst_element_set_bus(element.get(), nullptr);
  EXPECT_TRUE(names_gpu_memory(caps_of(element.get(), "sink").get()));
}

}  // namespace resnetft::testing
