// SPDX-License-Identifier: MIT
#include "settings.h"

#include <gtest/gtest.h>

#include "classify_settings.h"
#include "element_harness.h"

namespace resnetft::testing {
namespace {

int number_of(const char* option, const char* word) {
  return option_value(*find_option(classify_options(), option), word).value_or(-1);
}

std::string serialized(const GValue* value) {
  gchar* text = gst_value_serialize(value);
  const std::string result = text ? text : "";
  g_free(text);
  return result;
}

struct ElementOptions {
  const char* factory;
  std::span<const Option> options;
};
class OptionTable : public ::testing::TestWithParam<ElementOptions> {};

}  // namespace

TEST(Settings, EnumsOfThePluginHaveTheNumbersOfTheOptionTable) {
  EXPECT_EQ(number_of("region", "full-frame"), static_cast<int>(RegionSource::FullFrame));
  EXPECT_EQ(number_of("region", "roi-list"), static_cast<int>(RegionSource::RoiList));
  EXPECT_EQ(number_of("post-messages", "never"), static_cast<int>(PostMessages::Never));
  EXPECT_EQ(number_of("post-messages", "on-change"), static_cast<int>(PostMessages::OnChange));
  EXPECT_EQ(number_of("post-messages", "always"), static_cast<int>(PostMessages::Always));
  EXPECT_EQ(number_of("meta", "analytics"), static_cast<int>(kAnalyticsMeta));
  EXPECT_EQ(number_of("meta", "custom"), static_cast<int>(kCustomMeta));
  EXPECT_EQ(number_of("meta", "roi"), static_cast<int>(kRoiMeta));
}

TEST(Settings, WordsOfTheOptionTableReachTheirRules) {
  Settings settings(classify_options());
  const auto set = [&](const char* name, int value) {
    const Option* option = find_option(classify_options(), name);
    GValue boxed = G_VALUE_INIT;
    GstElement* element = gst_element_factory_make("resnetclassify", nullptr);
    g_value_init(&boxed, G_PARAM_SPEC_VALUE_TYPE(g_object_class_find_property(G_OBJECT_GET_CLASS(element), name)));
    g_value_set_enum(&boxed, value);
    settings.set(static_cast<guint>(option - classify_options().data() + 1), &boxed);
    gst_object_unref(element);
  };
  set("smoothing", number_of("smoothing", "majority"));
  EXPECT_EQ(frame_rules(settings).smoothing.smoothing, Smoothing::Majority);
  set("resize-mode", number_of("resize-mode", "letterbox"));
  EXPECT_EQ(model_request(settings).value().classifier.resize_mode, ResizeMode::Letterbox);
  set("arch", number_of("arch", "resnet56"));
  EXPECT_EQ(model_request(settings).value().load.architecture, "resnet56");
}

TEST_P(OptionTable, EveryRowIsAPropertyWithItsDefaultAndFlags) {
  GstElement* element = gst_element_factory_make(GetParam().factory, nullptr);
  ASSERT_NE(element, nullptr);
  for (const Option& option : GetParam().options) {
    const std::string name(option.name);
    GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name.c_str());
    ASSERT_NE(spec, nullptr) << name;
    EXPECT_EQ(g_param_spec_get_blurb(spec), option.help) << name;
    EXPECT_EQ((spec->flags & GST_PARAM_MUTABLE_PLAYING) != 0, option.while_playing) << name;
    EXPECT_EQ((spec->flags & GST_PARAM_CONTROLLABLE) != 0, option.controllable) << name;
    GValue expected = G_VALUE_INIT, actual = G_VALUE_INIT;
    g_value_init(&expected, spec->value_type);
    g_value_init(&actual, spec->value_type);
    if (!option.default_text.empty()) {
      ASSERT_TRUE(gst_value_deserialize(&expected, std::string(option.default_text).c_str())) << name;
    }
    g_object_get_property(G_OBJECT(element), name.c_str(), &actual);
    EXPECT_EQ(serialized(&actual), serialized(&expected)) << name;
    EXPECT_EQ(serialized(g_param_spec_get_default_value(spec)), serialized(&expected)) << name;
    g_value_unset(&expected);
    g_value_unset(&actual);
  }
  gst_object_unref(element);
}

INSTANTIATE_TEST_SUITE_P(Elements, OptionTable,
                         ::testing::Values(ElementOptions{"resnetclassify", classify_options()},
                                           ElementOptions{"resnetfinetune", finetune_options()}),
                         [](const auto& info) { return info.param.factory; });

TEST(Settings, AValueThatIsSetIsTheValueThatIsRead) {
  GstElement* element = make_classifier({{"top-k", "7"},
                                         {"threshold", "0.25"},
                                         {"min-dwell", "18446744073709551615"},
                                         {"unknown-label", "don't know"},
                                         {"overlay", "true"},
                                         {"smoothing", "ema"},
                                         {"meta", "custom+roi"}});
  guint top_k = 0, meta = 0;
  gint smoothing = -1;
  gdouble threshold = 0;
  guint64 dwell = 0;
  gchar* unknown = nullptr;
  gboolean overlay = FALSE;
  g_object_get(element, "top-k", &top_k, "threshold", &threshold, "min-dwell", &dwell, "unknown-label", &unknown,
               "overlay", &overlay, "smoothing", &smoothing, "meta", &meta, nullptr);
  EXPECT_EQ(top_k, 7U);
  EXPECT_EQ(threshold, 0.25);
  EXPECT_EQ(dwell, G_MAXUINT64);
  EXPECT_STREQ(unknown, "don't know");
  EXPECT_TRUE(overlay);
  EXPECT_EQ(smoothing, number_of("smoothing", "ema"));
  EXPECT_EQ(meta, kCustomMeta | kRoiMeta);
  g_free(unknown);
  gst_object_unref(element);
}

}  // namespace resnetft::testing
