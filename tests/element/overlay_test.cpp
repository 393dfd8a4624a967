// SPDX-License-Identifier: MIT
// The drawn label: measured in pixels, and who draws it.
#include "overlay.h"

#include <algorithm>
#include <cmath>

#include "element_harness.h"

namespace resnetft::testing {
namespace {

struct Size {
  int width, height;
};

class OverlaySize : public ::testing::TestWithParam<Size> {};

// A frame of one gray, with labels blended into it, as luminances 0 to 1 (RGB of the label is gray).
class Canvas {
 public:
  Canvas(const Size& size, uint8_t gray, const std::vector<OverlayLabel>& labels) : size_(size) {
    GstVideoInfo info;
    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGB, static_cast<guint>(size.width),
                              static_cast<guint>(size.height));
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
    gst_buffer_memset(buffer, 0, gray, GST_VIDEO_INFO_SIZE(&info));
    EXPECT_TRUE(Overlay().draw(buffer, info, labels, Overlay::Way::Blend));
    pixels_.resize(GST_VIDEO_INFO_SIZE(&info));
    gst_buffer_extract(buffer, 0, pixels_.data(), pixels_.size());
    stride_ = GST_VIDEO_INFO_PLANE_STRIDE(&info, 0);
    gst_buffer_unref(buffer);
  }
  uint8_t at(int x, int y) const { return pixels_[static_cast<size_t>(y * stride_ + 3 * x)]; }
  // The smallest rectangle that holds every pixel for which `wanted` is true: x, y, right, bottom (exclusive).
  template <class Wanted>
  std::array<int, 4> bounds(Wanted wanted) const {
    std::array<int, 4> box = {size_.width, size_.height, 0, 0};
    for (int y = 0; y < size_.height; ++y)
      for (int x = 0; x < size_.width; ++x)
        if (wanted(at(x, y)))
          box = {std::min(box[0], x), std::min(box[1], y), std::max(box[2], x + 1), std::max(box[3], y + 1)};
    return box;
  }

 private:
  Size size_;
  int stride_ = 0;
  std::vector<uint8_t> pixels_;
};

double luminance(uint8_t value) {
  const double v = value / 255.0;
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}

double contrast(uint8_t a, uint8_t b) {
  const double low = std::min(luminance(a), luminance(b)), high = std::max(luminance(a), luminance(b));
  return (high + 0.05) / (low + 0.05);
}

constexpr const char* kComposition = "video/x-raw(memory:SystemMemory, meta:GstVideoOverlayComposition)";

using OverlayTest = ElementTest;

guint rectangles_on(GstBuffer* buffer) {
  GstVideoOverlayCompositionMeta* meta = gst_buffer_get_video_overlay_composition_meta(buffer);
  return meta ? gst_video_overlay_composition_n_rectangles(meta->overlay) : 0;
}

bool pixels_changed(GstBuffer* buffer, const Color& color) {
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_READ);
  const bool changed = map.data[3 * (20 * 320 + 20)] != color[0];  // inside the box of a label at 320x240
  gst_buffer_unmap(buffer, &map);
  return changed;
}

}  // namespace

TEST_P(OverlaySize, CapitalsAreHighEnough) {
  const Size size = GetParam();
  // Only the label's H reaches into the left part: the confidence comes after it.
  const Canvas canvas(size, 128, {{"HHHHHH", 0.11}});
  const std::array<int, 4> text = canvas.bounds([](uint8_t value) { return value > 200; });
  const int needed = std::max(10, (size.height + 23) / 24);
  EXPECT_GE(text[3] - text[1], needed);
  EXPECT_LE(text[3] - text[1], 2 * needed);
}

TEST_P(OverlaySize, TextStandsOutFromItsBoxOnAnyPicture) {
  for (const int gray : {0, 128, 255}) {
    const Canvas canvas(GetParam(), static_cast<uint8_t>(gray), {{"HHH", 1}});
    uint8_t brightest = 0;
    const std::array<int, 4> text = canvas.bounds([&](uint8_t value) {
      brightest = gray == 255 ? 255 : std::max(brightest, value);
      return false;
    });
    EXPECT_EQ(text[2], 0);
    const uint8_t box = canvas.at(1, 1);  // the corner of the box
    EXPECT_GE(contrast(brightest, box), 4.5) << gray;
  }
}

TEST_P(OverlaySize, ALabelOfAnyLengthStaysInsideTheFrame) {
  const Size size = GetParam();
  for (const std::string& label : {std::string("x"), std::string(500, 'W'), std::string("zwei\nZeilen\tund mehr")}) {
    for (const auto& [x, y] : {std::pair{0, 0}, std::pair{size.width - 2, size.height - 2}, std::pair{-50, -50}}) {
      GstVideoInfo info;
      gst_video_info_set_format(&info, GST_VIDEO_FORMAT_I420, static_cast<guint>(size.width),
                                static_cast<guint>(size.height));
      GstBuffer* buffer = gst_buffer_new();
      const OverlayLabel text{label, 1, x, y, true};
      EXPECT_TRUE(Overlay().draw(buffer, info, {&text, 1}, Overlay::Way::Attach));
      GstVideoOverlayCompositionMeta* meta = gst_buffer_get_video_overlay_composition_meta(buffer);
      ASSERT_NE(meta, nullptr) << label;
      gint left = 0, top = 0;
      guint width = 0, height = 0;
      gst_video_overlay_rectangle_get_render_rectangle(gst_video_overlay_composition_get_rectangle(meta->overlay, 0),
                                                       &left, &top, &width, &height);
      EXPECT_GE(left, 0);
      EXPECT_GE(top, 0);
      EXPECT_LE(left + static_cast<int>(width), size.width) << label;
      EXPECT_LE(top + static_cast<int>(height), size.height);
      gst_buffer_unref(buffer);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, OverlaySize,
                         ::testing::Values(Size{160, 120}, Size{120, 160}, Size{320, 240}, Size{768, 576},
                                           Size{1920, 1080}, Size{3840, 2160}),
                         [](const auto& info) {
                           return std::to_string(info.param.width) + "x" + std::to_string(info.param.height);
                         });

TEST(Overlay, AFrameTooSmallForALineStaysAsItIs) {
  const Canvas canvas({8, 8}, 128, {{"label", 1}});
  EXPECT_EQ(canvas.bounds([](uint8_t value) { return value != 128; })[2], 0);
}

TEST(Overlay, ALabelThatIsNotUtf8IsDrawnAllTheSame) {
  const Canvas canvas({320, 240}, 128, {{"caf\xe9", 1}});
  EXPECT_GT(canvas.bounds([](uint8_t value) { return value > 200; })[2], 0);
}

TEST_F(OverlayTest, WithoutASinkThatTakesTheCompositionPixelsAreWritten) {
  ElementHarness harness({{"model-file", color_file()}, {"overlay", "true"}}, rgb_caps(320, 240));
  GstBuffer* out = harness.process(rgb_frame(kRed, 320, 240, 0));
  EXPECT_TRUE(pixels_changed(out, kRed));
  EXPECT_EQ(rectangles_on(out), 0U);
  gst_buffer_unref(out);
}

TEST_F(OverlayTest, ASinkThatTakesTheCompositionGetsItAndThePixelsStay) {
  ElementHarness harness({{"model-file", color_file()}, {"overlay", "true"}}, "");
  gst_harness_add_propose_allocation_meta(harness.get(), GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
  gst_harness_set_caps_str(harness.get(), rgb_caps(320, 240).c_str(),
                           (std::string("video/x-raw; ") + kComposition).c_str());
  GstBuffer* out = harness.process(rgb_frame(kRed, 320, 240, 0));
  ASSERT_NE(out, nullptr);
  EXPECT_FALSE(pixels_changed(out, kRed));
  EXPECT_EQ(rectangles_on(out), 1U);
  gst_buffer_unref(out);
}

TEST_F(OverlayTest, CapsAloneAreNoPromise) {
  ElementHarness harness({{"model-file", color_file()}, {"overlay", "true"}}, "");
  gst_harness_set_caps_str(harness.get(), rgb_caps(320, 240).c_str(),
                           (std::string("video/x-raw; ") + kComposition).c_str());
  GstBuffer* out = harness.process(rgb_frame(kRed, 320, 240, 0));
  ASSERT_NE(out, nullptr);
  EXPECT_TRUE(pixels_changed(out, kRed));
  EXPECT_EQ(rectangles_on(out), 0U);
  gst_buffer_unref(out);
}

TEST_F(OverlayTest, AnIncomingCompositionIsKeptAndExtended) {
  ElementHarness harness({{"model-file", color_file()}, {"overlay", "true"}}, "");
  gst_harness_add_propose_allocation_meta(harness.get(), GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
  const std::string caps =
      "video/x-raw(memory:SystemMemory, meta:GstVideoOverlayComposition), format=RGB, framerate=30/1, width=320, "
      "height=240";
  gst_harness_set_caps_str(harness.get(), caps.c_str(), kComposition);
  GstBuffer* frame = rgb_frame(kRed, 320, 240, 0);
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGB, 320, 240);
  const OverlayLabel upstream{"upstream", 1, 0, 200, false};
  Overlay().draw(frame, info, {&upstream, 1}, Overlay::Way::Attach);
  GstBuffer* out = harness.process(frame);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(rectangles_on(out), 2U);
  gst_buffer_unref(out);
}

TEST_F(OverlayTest, SwitchingTheOverlayRenegotiates) {
  ElementHarness harness({{"model-file", color_file()}}, "");
  gst_harness_add_propose_allocation_meta(harness.get(), GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
  gst_harness_set_caps_str(harness.get(), rgb_caps(320, 240).c_str(),
                           (std::string("video/x-raw; ") + kComposition).c_str());
  const auto rectangles = [&](uint64_t index) {
    GstBuffer* out = harness.process(rgb_frame(kRed, 320, 240, index));
    const guint count = rectangles_on(out);
    gst_buffer_unref(out);
    return count;
  };
  EXPECT_EQ(rectangles(0), 0U);
  harness.set("overlay", "true");
  EXPECT_EQ(rectangles(1), 1U);
  harness.set("overlay", "false");
  EXPECT_EQ(rectangles(2), 0U);
}

TEST_F(OverlayTest, TheOtherBranchOfATeeKeepsItsPicture) {
  ElementHarness harness({{"model-file", color_file()}, {"overlay", "true"}}, rgb_caps(320, 240));
  GstBuffer* in = rgb_frame(kRed, 320, 240, 0);
  gst_buffer_ref(in);
  GstBuffer* out = harness.process(in);
  EXPECT_TRUE(pixels_changed(out, kRed));
  EXPECT_FALSE(pixels_changed(in, kRed));
  gst_buffer_unref(out);
  gst_buffer_unref(in);
}

TEST_F(OverlayTest, EveryFormatIsDrawnInto) {
  const std::string model = color_file();
  for (const char* format : {"RGB", "BGR", "RGBA", "BGRA", "RGBx", "BGRx", "xRGB", "xBGR", "ARGB", "ABGR", "GRAY8",
                             "NV12", "NV21", "I420", "YV12", "YUY2", "UYVY"}) {
    ElementHarness harness({{"model-file", model}, {"overlay", "true"}},
                           std::string("video/x-raw, framerate=30/1, width=321, height=241, format=") + format);
    GstVideoInfo info;
    gst_video_info_set_format(&info, gst_video_format_from_string(format), 321, 241);
    GstBuffer* frame = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
    gst_buffer_memset(frame, 0, 128, GST_VIDEO_INFO_SIZE(&info));
    GstBuffer* out = harness.process(frame);
    ASSERT_NE(out, nullptr) << format;
    std::vector<uint8_t> pixels(GST_VIDEO_INFO_SIZE(&info));
    gst_buffer_extract(out, 0, pixels.data(), pixels.size());
    EXPECT_GT(std::ranges::count_if(pixels, [](uint8_t value) { return value < 90; }), 1000) << format;
    EXPECT_GT(std::ranges::count_if(pixels, [](uint8_t value) { return value > 200; }), 50) << format;
    gst_buffer_unref(out);
  }
}

}  // namespace resnetft::testing
