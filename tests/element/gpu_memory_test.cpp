// SPDX-License-Identifier: MIT
// Frames in a GPU's memory, with gstreamer-cuda itself: over a GPU that is the host (fake_gpu_main.cpp), where copies
// are counted, or over a real one.
#include <dlfcn.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "finetune_harness.h"
#include "gpu/gpu_required.h"

namespace resnetft::testing {
namespace {

using ContextPtr = GRef<GstCudaContext>;

constexpr int kWidth = 320, kHeight = 240;

std::string gpu_caps(const char* format) {
  return "video/x-raw(memory:CUDAMemory), framerate=30/1, width=320, height=240, format=" + std::string(format);
}

// Between the host and the GPU, by gstreamer-cuda.
using CopyCount = int (*)();
CopyCount copy_count() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  return driver ? reinterpret_cast<CopyCount>(dlsym(driver, "fake_cuda_copies")) : nullptr;
}
bool is_fake() { return copy_count() != nullptr; }
int copies() { return is_fake() ? copy_count()() : 0; }

// What the element answers its neighbours.
ContextPtr offered_context(GstElement* element) {
  const auto query = GRef<GstQuery>::adopt(gst_query_new_context(GST_CUDA_CONTEXT_TYPE));
  GstPad* pad = gst_element_get_static_pad(element, "sink");
  GstContext* context = nullptr;
  GstCudaContext* offered = nullptr;
  if (gst_pad_query(pad, query.get())) gst_query_parse_context(query.get(), &context);
  if (context)
    gst_structure_get(gst_context_get_structure(context), GST_CUDA_CONTEXT_TYPE, GST_TYPE_CUDA_CONTEXT, &offered,
                      nullptr);
  gst_object_unref(pad);
  return ContextPtr::adopt(offered);
}

// Limited BT.601.
std::array<uint8_t, 3> yuv_of(const Color& color) {
  const double r = color[0], g = color[1], b = color[2];
  return {static_cast<uint8_t>(16 + 0.257 * r + 0.504 * g + 0.098 * b),
          static_cast<uint8_t>(128 - 0.148 * r - 0.291 * g + 0.439 * b),
          static_cast<uint8_t>(128 + 0.439 * r - 0.368 * g - 0.071 * b)};
}

void paint(uint8_t* pixels, const GstVideoInfo& info, const Color& color, int left = 0) {
  const std::array<uint8_t, 3> yuv = yuv_of(color);
  for (int y = 0; y < kHeight; ++y)
    for (int x = left; x < kWidth; ++x) {
      if (GST_VIDEO_INFO_FORMAT(&info) == GST_VIDEO_FORMAT_RGBA) {
        for (int c = 0; c < 3; ++c) pixels[y * info.stride[0] + 4 * x + c] = color[static_cast<size_t>(c)];
        continue;
      }
      uint8_t* chroma = pixels + info.offset[1] + y / 2 * info.stride[1] + x / 2 * 2;
      pixels[y * info.stride[0] + x] = yuv[0];
      chroma[0] = yuv[1];
      chroma[1] = yuv[2];
    }
}

GstMemory* gpu_memory(GstCudaContext* context, const GstVideoInfo& info) {
  gst_cuda_memory_init_once();
  GstAllocator* allocator = gst_allocator_find(GST_CUDA_MEMORY_TYPE_NAME);
#if GST_CHECK_VERSION(1, 24, 0)
  GstMemory* memory = gst_cuda_allocator_alloc(GST_CUDA_ALLOCATOR(allocator), context, nullptr, &info);
#else
  GstMemory* memory = gst_cuda_allocator_alloc(GST_CUDA_ALLOCATOR(allocator), context, &info);
#endif
  gst_object_unref(allocator);
  return memory;
}

// Of RGBA or NV12, wholly on the GPU. `right`: of the right half.
GstBuffer* gpu_frame(GstCudaContext* context, GstVideoFormat format, const Color& color, uint64_t index = 0,
                     std::optional<Color> right = {}) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, format, kWidth, kHeight);
  GstMemory* memory = gpu_memory(context, info);
  GstMapInfo map;
  EXPECT_TRUE(gst_memory_map(memory, &map, GST_MAP_WRITE));
  paint(map.data, GST_CUDA_MEMORY_CAST(memory)->info, color);
  if (right) paint(map.data, GST_CUDA_MEMORY_CAST(memory)->info, *right, kWidth / 2);
  gst_memory_unmap(memory, &map);
  EXPECT_TRUE(gst_memory_map(memory, &map, static_cast<GstMapFlags>(int{GST_MAP_READWRITE} | int{GST_MAP_CUDA})));
  gst_memory_unmap(memory, &map);
  GstBuffer* buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, memory);
  GST_BUFFER_PTS(buffer) = gst_util_uint64_scale(index, GST_SECOND, 30);
  GST_BUFFER_DURATION(buffer) = GST_SECOND / 30;
  return buffer;
}

// Says "cpu" of everything, on the CPU: no GPU's engine has layer normalisation.
std::shared_ptr<const Model> model_for_the_cpu() {
  const std::shared_ptr<const Model> batch = stubborn_model("cpu");
  ModelCard card = batch->card();
  card.normalization = Normalization::Layer;
  FloatWeights weights = **batch->weights();
  std::erase_if(weights, [](const auto& entry) { return entry.first.find("running_") != std::string::npos; });
  return Model::create(std::move(card), std::move(weights)).value();
}

struct Outcome {
  std::string label;
  bool same_memory;
  int copies;
};

Outcome outcome_of(ElementHarness& harness, GstBuffer* in) {
  GstMemory* memory = gst_buffer_peek_memory(in, 0);
  const int before = copies();
  GstBuffer* out = harness.process(in);
  if (!out) return {"<no frame>", false, 0};
  Outcome outcome = {text_field(classification_of(out), "label"), gst_buffer_peek_memory(out, 0) == memory,
                     copies() - before};
  gst_buffer_unref(out);
  return outcome;
}

class GpuMemory : public ElementTest {
 protected:
  void SetUp() override { RESNETFT_NEEDS_GPU(choose_device("cuda")); }
  Properties on_gpu(Properties more = {}) {
    more.insert(more.end(), {{"model-file", color_file()}, {"device", "cuda"}});
    return more;
  }
};

// `elements` as gst-launch reads them, the last one a resnetclassify: between two pads.
class Chain {
 public:
  Chain(const std::string& elements, const std::string& caps) : harness_(gst_harness_new_parse(elements.c_str())) {
    gst_harness_set_src_caps_str(harness_, caps.c_str());
    gst_harness_play(harness_);
  }
  ~Chain() { gst_harness_teardown(harness_); }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  // All that comes out for them.
  std::vector<GRef<GstBuffer>> process(const std::vector<GstBuffer*>& buffers) {
    for (GstBuffer* buffer : buffers) EXPECT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
    gst_harness_push_event(harness_, gst_event_new_eos());
    std::vector<GRef<GstBuffer>> all;
    while (GstBuffer* out = gst_harness_try_pull(harness_)) all.push_back(GRef<GstBuffer>::adopt(out));
    return all;
  }

 private:
  GstHarness* harness_;
};

bool has_element(const char* name) {
  return static_cast<bool>(GRef<GstElementFactory>::adopt(gst_element_factory_find(name)));
}

std::vector<std::string> labels_of(const std::vector<GRef<GstBuffer>>& buffers) {
  std::vector<std::string> labels;
  for (const GRef<GstBuffer>& buffer : buffers) labels.push_back(text_field(classification_of(buffer.get()), "label"));
  return labels;
}

// Null: in the host's memory.
void expect_in_context(GstBuffer* buffer, void* handle) {
  GstMemory* memory = gst_buffer_peek_memory(buffer, 0);
  void* found =
      gst_is_cuda_memory(memory) ? gst_cuda_context_get_handle(GST_CUDA_MEMORY_CAST(memory)->context) : nullptr;
  EXPECT_EQ(found, handle);
}

constexpr const char* kH264Caps =
    "video/x-h264, stream-format=byte-stream, alignment=au, profile=constrained-baseline, width=320, height=240, "
    "framerate=30/1";

// A sequence's and a picture's parameters and the header of a slice, in place of which fake_nvcuvid.cpp makes a picture
// of that colour.
GstBuffer* h264_packet(const Color& color, uint64_t index) {
  const std::array<uint8_t, 3> yuv = yuv_of(color);
  const std::array<uint8_t, 31> bytes = {0,    0, 0,    1,    0x67, 0x42, 0xc0,   0x1e,   0xda,  0x05, 0x07,
                                         0xe4, 0, 0,    0,    1,    0x68, 0xce,   0x38,   0x80,  0,    0,
                                         0,    1, 0x65, 0x88, 0x84, 0xc0, yuv[0], yuv[1], yuv[2]};
  GstBuffer* buffer = gst_buffer_new_memdup(bytes.data(), bytes.size());
  GST_BUFFER_PTS(buffer) = GST_BUFFER_DTS(buffer) = gst_util_uint64_scale(index, GST_SECOND, 30);
  GST_BUFFER_DURATION(buffer) = GST_SECOND / 30;
  return buffer;
}

}  // namespace

TEST_F(GpuMemory, IsClassifiedWhereItLies) {
  for (const auto& [format, name] : {std::pair{GST_VIDEO_FORMAT_RGBA, "RGBA"}, {GST_VIDEO_FORMAT_NV12, "NV12"}}) {
    ElementHarness harness(on_gpu(), gpu_caps(name));
    const ContextPtr context = offered_context(harness.element());
    ASSERT_TRUE(context);
    for (const auto& [color, label] : {std::pair{kRed, "red"}, {kGreen, "green"}, {kBlue, "blue"}}) {
      const Outcome outcome = outcome_of(harness, gpu_frame(context.get(), format, color));
      EXPECT_EQ(outcome.label, label) << name;
      EXPECT_TRUE(outcome.same_memory);
      EXPECT_EQ(outcome.copies, 0);
    }
  }
}

TEST_F(GpuMemory, IsCroppedAsTheBufferSays) {
  for (const auto& [format, name] : {std::pair{GST_VIDEO_FORMAT_RGBA, "RGBA"}, {GST_VIDEO_FORMAT_NV12, "NV12"}}) {
    ElementHarness harness(on_gpu(), gpu_caps(name));
    for (const ContextPtr& context : {offered_context(harness.element()), ContextPtr::adopt(gst_cuda_context_new(0))}) {
      ASSERT_TRUE(context);
      for (const auto& [left, label] : {std::pair{0u, "red"}, {kWidth / 2u, "blue"}}) {
        GstBuffer* buffer = gpu_frame(context.get(), format, kRed, 0, kBlue);
        GstVideoCropMeta* crop = gst_buffer_add_video_crop_meta(buffer);
        crop->x = left;
        crop->width = kWidth / 2;
        crop->height = kHeight;
        EXPECT_EQ(outcome_of(harness, buffer).label, label) << name;
      }
    }
  }
}

TEST_F(GpuMemory, IsClassifiedRegionByRegion) {
  ElementHarness harness(on_gpu({{"region", "roi-list"}}), gpu_caps("NV12"));
  const ContextPtr context = offered_context(harness.element());
  ASSERT_TRUE(context);
  GstBuffer* buffer = gpu_frame(context.get(), GST_VIDEO_FORMAT_NV12, kRed, 0, kBlue);
  for (const guint left : {8u, kWidth / 2u + 8u})
    gst_buffer_add_video_region_of_interest_meta(buffer, "thing", left, 9, 50, 61);
  GstBuffer* out = harness.process(buffer);
  ASSERT_NE(out, nullptr);
  std::vector<std::string> labels;
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta_filtered(out, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
    labels.push_back(text_field(gst_video_region_of_interest_meta_get_param(
                                    reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta), "classification"),
                                "label"));
  gst_buffer_unref(out);
  EXPECT_EQ(labels, (std::vector<std::string>{"red", "blue"}));
}

TEST_F(GpuMemory, IsNotNeededForTheGpuToClassify) {
  ElementHarness harness(on_gpu());
  for (const auto& [color, label] : {std::pair{kRed, "red"}, {kGreen, "green"}, {kBlue, "blue"}})
    EXPECT_EQ(harness.label_of(color), label);
}

// fake_gpu.h's kFakePrimaryContext.
TEST_F(GpuMemory, ComesFromThePrimaryContextWhereNeighboursAsk) {
  if (!is_fake()) GTEST_SKIP() << "not tested: a real GPU's primary context has no known address";
  ElementHarness harness(on_gpu(), "");
  const ContextPtr context = offered_context(harness.element());
  ASSERT_TRUE(context);
  EXPECT_EQ(gst_cuda_context_get_handle(context.get()), reinterpret_cast<void*>(0x1000));
}

TEST_F(GpuMemory, OfAnotherContextIsClassifiedWithoutTheHost) {
  ElementHarness harness(on_gpu(), gpu_caps("NV12"));
  const ContextPtr other = ContextPtr::adopt(gst_cuda_context_new(0));
  ASSERT_TRUE(other);
  const Outcome outcome = outcome_of(harness, gpu_frame(other.get(), GST_VIDEO_FORMAT_NV12, kBlue));
  EXPECT_EQ(outcome.label, "blue");
  EXPECT_EQ(outcome.copies, 0);
}

TEST_F(GpuMemory, ComesFromADecoderInTheContextThatItIsOffered) {
  if (!is_fake()) GTEST_SKIP() << "not tested: a real decoder needs a real stream";
  if (!has_element("nvh264dec")) GTEST_SKIP() << "not tested: this GStreamer has no nvh264dec";
  Chain chain("nvh264dec ! resnetclassify device=cuda model-file=" + color_file(), kH264Caps);
  const int before = copies();
  const std::vector<GRef<GstBuffer>> all =
      chain.process({h264_packet(kRed, 0), h264_packet(kGreen, 1), h264_packet(kBlue, 2)});
  EXPECT_EQ(labels_of(all), (std::vector<std::string>{"red", "green", "blue"}));
  for (const GRef<GstBuffer>& out : all) expect_in_context(out.get(), reinterpret_cast<void*>(0x1000));
  EXPECT_EQ(copies(), before);
}

TEST_F(GpuMemory, IsNotWhatADecoderGivesWhereTheModelRunsOnTheCpu) {
  if (!is_fake()) GTEST_SKIP() << "not tested: a real decoder needs a real stream";
  if (!has_element("nvh264dec")) GTEST_SKIP() << "not tested: this GStreamer has no nvh264dec";
  Chain chain("nvh264dec ! resnetclassify device=cpu model-file=" + color_file(), kH264Caps);
  const std::vector<GRef<GstBuffer>> all = chain.process({h264_packet(kGreen, 0)});
  EXPECT_EQ(labels_of(all), (std::vector<std::string>{"green"}));
  for (const GRef<GstBuffer>& out : all) expect_in_context(out.get(), nullptr);
}

TEST_F(GpuMemory, ComesFromAnUploadInTheContextThatItIsOffered) {
  if (!has_element("cudaupload")) GTEST_SKIP() << "NOT TESTED: this GStreamer has no cudaupload";
  // Without the caps an upload passes on what it gets, if only the next element takes it.
  Chain chain("cudaupload ! video/x-raw(memory:CUDAMemory) ! resnetclassify device=cuda model-file=" + color_file(),
              "video/x-raw, format=RGBA, framerate=30/1, width=320, height=240");
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGBA, kWidth, kHeight);
  std::vector<GstBuffer*> frames;
  for (const Color& color : {kRed, kGreen, kBlue}) {
    std::vector<uint8_t> pixels(info.size);
    paint(pixels.data(), info, color);
    frames.push_back(gst_buffer_new_memdup(pixels.data(), pixels.size()));
  }
  const std::vector<GRef<GstBuffer>> all = chain.process(frames);
  EXPECT_EQ(labels_of(all), (std::vector<std::string>{"red", "green", "blue"}));
  for (const GRef<GstBuffer>& out : all) expect_in_context(out.get(), (*cuda_module())->primary_context(0).value());
}

TEST_F(GpuMemory, AContextThatWasSetIsTheOneThatIsOffered) {
  GstElement* element = make_classifier(on_gpu());
  const ContextPtr other = ContextPtr::adopt(gst_cuda_context_new(0));
  ASSERT_TRUE(other);
  const auto context = GRef<GstContext>::adopt(gst_context_new_cuda_context(other.get()));
  gst_element_set_context(element, context.get());
  ElementHarness harness(element, "");
  EXPECT_EQ(offered_context(element).get(), other.get());
}

TEST_F(GpuMemory, IsSharedByNeighboursInTheContextThatTheLastOneHas) {
  const auto bin = GRef<GstElement>::adopt(
      GST_ELEMENT(gst_object_ref_sink(gst_parse_launch("resnetclassify name=first device=cuda ! "
                                                       "resnetclassify name=last device=cuda",
                                                       nullptr))));
  const auto element = [&](const char* name) {
    return GRef<GstElement>::adopt(gst_bin_get_by_name(GST_BIN(bin.get()), name));
  };
  gst_element_set_state(element("last").get(), GST_STATE_READY);
  const ContextPtr last = offered_context(element("last").get());
  ASSERT_TRUE(last);
  gst_element_set_state(element("first").get(), GST_STATE_READY);
  EXPECT_EQ(offered_context(element("first").get()).get(), last.get());
  gst_element_set_state(bin.get(), GST_STATE_NULL);
}

TEST_F(GpuMemory, IsAskedForOfTheApplication) {
  const auto pipeline = GRef<GstElement>::adopt(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  GstElement* element = make_classifier({{"device", "cuda"}});
  gst_bin_add(GST_BIN(pipeline.get()), element);
  const ContextPtr other = ContextPtr::adopt(gst_cuda_context_new(0));
  ASSERT_TRUE(other);
  const auto answer = [](GstBus*, GstMessage* message, gpointer context) {
    const gchar* type = nullptr;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_NEED_CONTEXT && gst_message_parse_context_type(message, &type) &&
        g_strcmp0(type, GST_CUDA_CONTEXT_TYPE) == 0) {
      const auto wanted = GRef<GstContext>::adopt(gst_context_new_cuda_context(GST_CUDA_CONTEXT(context)));
      gst_element_set_context(GST_ELEMENT(GST_MESSAGE_SRC(message)), wanted.get());
    }
    return GST_BUS_PASS;
  };
  const auto bus = GRef<GstBus>::adopt(gst_element_get_bus(pipeline.get()));
  gst_bus_set_sync_handler(bus.get(), answer, other.get(), nullptr);
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  EXPECT_EQ(offered_context(element).get(), other.get());
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}

TEST_F(GpuMemory, HasNoLabelDrawnIntoItAndOneWarningSaysSo) {
  ElementHarness harness(on_gpu({{"overlay", "true"}}), gpu_caps("RGBA"));
  const ContextPtr context = offered_context(harness.element());
  ASSERT_TRUE(context);
  for (int frame = 0; frame < 3; ++frame) {
    const Outcome outcome = outcome_of(harness, gpu_frame(context.get(), GST_VIDEO_FORMAT_RGBA, kRed));
    EXPECT_EQ(outcome.label, "red");
    EXPECT_EQ(outcome.copies, 0);
  }
  std::vector<BusMessage> messages = harness.messages();
  std::erase_if(messages, [](const BusMessage& message) { return message.type != GST_MESSAGE_WARNING; });
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_NE(messages.front().text.find("no label is drawn"), std::string::npos) << messages.front().text;
}

TEST_F(GpuMemory, GetsACompositionWhereThePeerTakesOne) {
  GstElement* element = make_classifier(on_gpu({{"overlay", "true"}}));
  ElementHarness harness(element, "");
  gst_harness_add_propose_allocation_meta(harness.get(), GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
  gst_harness_set_caps_str(harness.get(), gpu_caps("RGBA").c_str(),
                           "video/x-raw(memory:CUDAMemory); "
                           "video/x-raw(memory:CUDAMemory, meta:GstVideoOverlayComposition)");
  const ContextPtr context = offered_context(element);
  ASSERT_TRUE(context);
  GstBuffer* out = harness.process(gpu_frame(context.get(), GST_VIDEO_FORMAT_RGBA, kRed));
  ASSERT_NE(out, nullptr);
  EXPECT_NE(gst_buffer_get_video_overlay_composition_meta(out), nullptr);
  gst_buffer_unref(out);
}

TEST_F(GpuMemory, IsCopiedToTheHostForALaterModelOfTheCpuAndMayBeNegotiatedAnew) {
  if (!is_fake()) GTEST_SKIP() << "not tested: the reference engine need not be in the bundle";
  ElementHarness harness({{"model-file", color_file()}, {"device", "auto"}}, gpu_caps("RGBA"));
  const ContextPtr context = offered_context(harness.element());
  ASSERT_TRUE(context);
  EXPECT_EQ(outcome_of(harness, gpu_frame(context.get(), GST_VIDEO_FORMAT_RGBA, kRed)).label, "red");
  harness.messages();
  gboolean accepted = FALSE;
  const std::string path = save("cpu.safetensors", model_for_the_cpu());
  g_signal_emit_by_name(harness.element(), "load-model", path.c_str(), &accepted);
  ASSERT_TRUE(harness.wait_for("model-changed"));
  for (const bool anew : {false, true}) {
    if (anew) gst_harness_push_upstream_event(harness.get(), gst_event_new_reconfigure());
    const Outcome outcome = outcome_of(harness, gpu_frame(context.get(), GST_VIDEO_FORMAT_RGBA, kRed));
    EXPECT_EQ(outcome.label, "cpu") << anew;
    EXPECT_EQ(outcome.copies, 1) << anew;
  }
  gst_harness_set_src_caps_str(harness.get(), gpu_caps("NV12").c_str());
  EXPECT_EQ(outcome_of(harness, gpu_frame(context.get(), GST_VIDEO_FORMAT_NV12, kRed)).label, "cpu");
}

TEST_F(GpuMemory, IsCopiedToTheHostForASample) {
  ElementHarness harness(on_gpu(), gpu_caps("NV12"));
  const ContextPtr context = offered_context(harness.element());
  ASSERT_TRUE(context);
  const auto buffer = GRef<GstBuffer>::adopt(gpu_frame(context.get(), GST_VIDEO_FORMAT_NV12, kGreen));
  const auto caps = GRef<GstCaps>::adopt(gst_caps_from_string(gpu_caps("NV12").c_str()));
  const auto sample = GRef<GstSample>::adopt(gst_sample_new(buffer.get(), caps.get(), nullptr, nullptr));
  GstStructure* answer = nullptr;
  g_signal_emit_by_name(harness.element(), "classify-sample", sample.get(), &answer);
  const StructurePtr owner(answer);
  EXPECT_EQ(text_field(answer, "label"), "green");
}

TEST_F(GpuMemory, IsCopiedToTheHostByTheLearnerForTheFramesThatItSamples) {
  FinetuneHarness harness({{"base-model-file", color_file()},
                           {"label", "warm"},
                           {"sample-interval", "3"},
                           {"train", "off"},
                           {"training-device", is_fake() ? "cpu" : "cuda"}},
                          gpu_caps("RGBA"));
  const ContextPtr context = ContextPtr::adopt(gst_cuda_context_new(0));
  ASSERT_TRUE(context);
  std::mt19937 random(1);
  int copied = 0;
  for (uint64_t index = 0; index < 9; ++index) {
    const Outcome outcome =
        outcome_of(harness, gpu_frame(context.get(), GST_VIDEO_FORMAT_RGBA, warm_or_cold(true, random), index));
    EXPECT_TRUE(outcome.same_memory);
    copied += outcome.copies;
  }
  EXPECT_EQ(copied, is_fake() ? 3 : 0);
  EXPECT_TRUE(wait_until([&] { return samples_of(harness.element(), "warm") == 3; }));
}

}  // namespace resnetft::testing
