// SPDX-License-Identifier: MIT
// region=roi-list: regions of interest that frames carry.
#include "regions.h"

#include "element_harness.h"

namespace resnetft::testing {
namespace {

// 64x32: red on the left, blue on the right.
GstBuffer* two_colored_frame(uint64_t index) {
  GstBuffer* buffer = rgb_frame(kRed, 64, 32, index);
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_WRITE);
  for (int y = 0; y < 32; ++y)
    for (int x = 32; x < 64; ++x) {
      map.data[y * 192 + 3 * x] = 0;
      map.data[y * 192 + 3 * x + 2] = 255;
    }
  gst_buffer_unmap(buffer, &map);
  return buffer;
}

GstVideoRegionOfInterestMeta* add_roi(GstBuffer* buffer, const char* type, int id, unsigned x, unsigned width) {
  GstVideoRegionOfInterestMeta* roi = gst_buffer_add_video_region_of_interest_meta(buffer, type, x, 0, width, 32);
  roi->id = id;
  return roi;
}

// "type:label" of the params of each region.
std::string params_of(GstBuffer* buffer) {
  std::string text;
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) {
    auto* roi = reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta);
    GstStructure* param = gst_video_region_of_interest_meta_get_param(roi, "classification");
    text += std::string(g_quark_to_string(roi->roi_type)) + ":" + (param ? text_field(param, "label") : "-") + " ";
  }
  return text;
}

class RegionsTest : public ElementTest {
 protected:
  Properties properties(Properties more = {}) {
    more.emplace_back("model-file", color_file());
    more.emplace_back("region", "roi-list");
    return more;
  }
};

}  // namespace

TEST_F(RegionsTest, EachRegionIsDecoratedWithItsOwnLabel) {
  ElementHarness harness(properties(), rgb_caps(64, 32));
  GstBuffer* frame = two_colored_frame(0);
  add_roi(frame, "left", 1, 0, 32);
  add_roi(frame, "right", 2, 32, 32);
  GstBuffer* out = harness.process(frame);
  EXPECT_EQ(params_of(out), "left:red right:blue ");
  gst_buffer_unref(out);
}

TEST_F(RegionsTest, TheParamHoldsLabelIdConfidenceAndModelName) {
  ElementHarness harness(properties(), rgb_caps(64, 32));
  GstBuffer* frame = two_colored_frame(0);
  GstVideoRegionOfInterestMeta* roi = add_roi(frame, "right", 2, 32, 32);
  GstBuffer* out = harness.process(frame);
  ASSERT_EQ(out, frame);
  GstStructure* param = gst_video_region_of_interest_meta_get_param(roi, "classification");
  ASSERT_NE(param, nullptr);
  gint label_id = -1;
  EXPECT_TRUE(gst_structure_get_int(param, "label_id", &label_id));
  EXPECT_EQ(label_id, 2);
  EXPECT_GT(double_field(param, "confidence"), 0.99);
  EXPECT_EQ(text_field(param, "model_name"), "color");
  gst_buffer_unref(out);
}

TEST_F(RegionsTest, OnlyRegionsOfTheClassAreJudged) {
  ElementHarness harness(properties({{"roi-class", "right"}}), rgb_caps(64, 32));
  GstBuffer* frame = two_colored_frame(0);
  add_roi(frame, "left", 1, 0, 32);
  add_roi(frame, "right", 2, 32, 32);
  GstBuffer* out = harness.process(frame);
  EXPECT_EQ(params_of(out), "left:- right:blue ");
  gst_buffer_unref(out);
}

TEST_F(RegionsTest, AFrameWithoutRegionsGetsNoResult) {
  ElementHarness harness(properties(), rgb_caps(64, 32));
  GstBuffer* out = harness.process(two_colored_frame(0));
  EXPECT_EQ(classification_of(out), nullptr);
  gst_buffer_unref(out);
}

TEST_F(RegionsTest, FullFrameLeavesRegionsAlone) {
  ElementHarness harness({{"model-file", color_file()}}, rgb_caps(64, 32));
  GstBuffer* frame = two_colored_frame(0);
  add_roi(frame, "left", 1, 0, 32);
  GstBuffer* out = harness.process(frame);
  EXPECT_EQ(params_of(out), "left:- ");
  gst_buffer_unref(out);
}

TEST_F(RegionsTest, ARegionWithAnIdCarriesItsResultAndOneWithoutIsInferred) {
  ElementHarness harness(properties({{"inference-interval", "100"}, {"post-messages", "always"}}), rgb_caps(64, 32));
  for (uint64_t i = 0; i < 2; ++i) {
    GstBuffer* frame = two_colored_frame(i);
    add_roi(frame, "known", 5, 0, 32);
    add_roi(frame, "anonymous", -1, 32, 32);
    gst_buffer_unref(harness.process(frame));
  }
  std::string told;
  for (const BusMessage& message : harness.events("classification"))
    told += text_field(message.fields.get(), "roi-type") + "@" +
            std::to_string(uint_field(message.fields.get(), "age-frames")) + " ";
  EXPECT_EQ(told, "known@0 anonymous@0 known@1 anonymous@0 ");
}

TEST_F(RegionsTest, MessagesNameTheRectangle) {
  ElementHarness harness(properties(), rgb_caps(64, 32));
  GstBuffer* frame = two_colored_frame(0);
  add_roi(frame, "right", 2, 32, 32);
  gst_buffer_unref(harness.process(frame));
  const std::vector<BusMessage> told = harness.events("classification");
  ASSERT_EQ(told.size(), 1U);
  gint x = 0, y = -1, width = 0, height = 0, id = -1;
  gst_structure_get(told[0].fields.get(), "x", G_TYPE_INT, &x, "y", G_TYPE_INT, &y, "width", G_TYPE_INT, &width,
                    "height", G_TYPE_INT, &height, "roi-id", G_TYPE_INT, &id, nullptr);
  EXPECT_EQ((std::array{x, y, width, height, id}), (std::array{32, 0, 32, 32, 2}));
}

TEST(FindRegions, CutsToTheFrameAndLeavesOutWhatLiesOutside) {
  GstBuffer* buffer = gst_buffer_new();
  gst_buffer_add_video_region_of_interest_meta(buffer, "cut", 60, 30, 100, 100);
  gst_buffer_add_video_region_of_interest_meta(buffer, "outside", 64, 0, 10, 10);
  gst_buffer_add_video_region_of_interest_meta(buffer, "empty", 1, 1, 0, 5);
  gst_buffer_add_video_region_of_interest_meta(buffer, "huge", 0, 0, G_MAXUINT, G_MAXUINT);
  const std::vector<FoundRegion> regions = find_regions(buffer, 64, 32, "");
  ASSERT_EQ(regions.size(), 2U);
  EXPECT_EQ(regions[0].type, "cut");
  EXPECT_EQ(regions[0].judged.rectangle.width, 4);
  EXPECT_EQ(regions[0].judged.rectangle.height, 2);
  EXPECT_EQ(regions[1].judged.rectangle.width, 64);
  EXPECT_EQ(regions[1].judged.rectangle.height, 32);
  gst_buffer_unref(buffer);
}

}  // namespace resnetft::testing
