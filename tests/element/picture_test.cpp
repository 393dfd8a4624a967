// SPDX-License-Identifier: MIT
// The same picture gets the same answer however it comes: in every format, turned by a tag, decoded here or there.
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "element_harness.h"
#include "resnetft/classifier.h"
#include "support/test_data.h"

namespace resnetft::testing {
namespace {

cv::Mat read_rgb(const std::string& path, int flags = cv::IMREAD_COLOR) {
  cv::Mat picture = cv::imread(path, flags);
  if (picture.empty()) return picture;
  for (cv::Vec3b& pixel : cv::Mat_<cv::Vec3b>(picture)) std::swap(pixel[0], pixel[2]);
  return picture;
}

std::string test_picture(const std::string& name) { return std::string(RESNETFT_TEST_DATA) + "/preprocess/" + name; }

GstBuffer* to_buffer(const cv::Mat& rgb) {
  const int stride = GST_ROUND_UP_4(3 * rgb.cols);
  GstBuffer* buffer =
      gst_buffer_new_allocate(nullptr, static_cast<gsize>(stride) * static_cast<gsize>(rgb.rows), nullptr);
  for (int y = 0; y < rgb.rows; ++y)
    gst_buffer_fill(buffer, static_cast<gsize>(y * stride), rgb.ptr(y), static_cast<gsize>(3 * rgb.cols));
  return buffer;
}

std::vector<float> logits_of(const GstStructure* meta) {
  const GValue* array = gst_structure_get_value(meta, "logits");
  std::vector<float> values;
  for (guint i = 0; i < gst_value_array_get_size(array); ++i)
    values.push_back(g_value_get_float(gst_value_array_get_value(array, i)));
  return values;
}

struct Answer {
  std::string label;
  double confidence = 0;
  std::vector<float> logits;
};

Answer answer_of(GstBuffer* buffer) {
  const GstStructure* meta = classification_of(buffer);
  EXPECT_NE(meta, nullptr);
  if (!meta) return {};
  return {text_field(meta, "label"), double_field(meta, "confidence"), logits_of(meta)};
}

Properties exact(const std::string& model) {
  return {{"model-file", model}, {"attach-embedding", "true"}, {"skip-late", "false"}, {"threads", "1"}};
}

Answer classify_rgb(const std::string& model, const cv::Mat& rgb, const char* orientation = nullptr) {
  ElementHarness harness(exact(model), rgb_caps(rgb.cols, rgb.rows));
  if (orientation)
    gst_harness_push_event(harness.get(),
                           gst_event_new_tag(gst_tag_list_new(GST_TAG_IMAGE_ORIENTATION, orientation, nullptr)));
  GstBuffer* out = harness.process(to_buffer(rgb));
  EXPECT_NE(out, nullptr);
  const Answer answer = answer_of(out);
  gst_buffer_unref(out);
  return answer;
}

// Plays a launch line that ends in the element's place; the last frame's answer.
Answer play(const std::string& before, const std::string& model) {
  const std::string line = before +
                           " ! resnetclassify attach-embedding=true skip-late=false threads=1 model-file=" + model +
                           " ! fakesink name=sink signal-handoffs=true sync=false";
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  EXPECT_EQ(error, nullptr) << (error ? error->message : "");
  Answer answer;
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  g_signal_connect(sink, "handoff", G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, gpointer user) {
                     *static_cast<Answer*>(user) = answer_of(buffer);
                   }),
                   &answer);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 60 * GST_SECOND, static_cast<GstMessageType>(int{GST_MESSAGE_EOS} | int{GST_MESSAGE_ERROR}));
  EXPECT_TRUE(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) << line;
  if (message) gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  return answer;
}

ClassifierOptions one_thread() {
  ClassifierOptions options;
  options.threads = 1;
  return options;
}

// The library alone, as ft-tool asks it.
std::vector<float> library_logits(const std::string& model, const cv::Mat& rgb) {
  const auto snapshot = Snapshot::create(load_model(model).value());
  const auto classifier = std::move(Classifier::create(snapshot, one_thread()).value());
  const ImageView view{.format = PixelFormat::Rgb,
                       .width = rgb.cols,
                       .height = rgb.rows,
                       .planes = {rgb.data},
                       .strides = {static_cast<ptrdiff_t>(rgb.step)}};
  return classifier->classify({&view, 1}, 0).value().front().logits;
}

// The largest difference, as a share of the largest value.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0, difference = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max<double>(largest, std::abs(b[i]));
    difference = std::max<double>(difference, std::abs(a[i] - b[i]));
  }
  return a.size() == b.size() ? difference / largest : 1;
}

// A random net: answers to every pixel.
class PictureTest : public ElementTest {
 protected:
  std::string random_file() { return save("random.safetensors", tiny_model(3, {"a", "b", "c", "d", "e"})); }
};

// Kr and Kb of the matrix (ITU-R BT.601, BT.709, BT.2020).
std::pair<double, double> luma_weights(GstVideoColorMatrix matrix) {
  gdouble kr = 0.299, kb = 0.114;
  if (matrix != GST_VIDEO_COLOR_MATRIX_RGB) gst_video_color_matrix_get_Kr_Kb(matrix, &kr, &kb);
  return {kr, kb};
}

// R, G, B of a pixel as component `c` of `info`'s format, 0 to 255, not yet rounded.
double component(const GstVideoInfo& info, const cv::Vec3b& rgb, int c) {
  if (GST_VIDEO_INFO_IS_RGB(&info)) return rgb[c];
  const auto [kr, kb] = luma_weights(info.colorimetry.matrix);
  const double luma = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
  const bool full = info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  if (c == 0) return full ? luma : 16 + luma * 219 / 255;
  const double chroma = c == 1 ? (rgb[2] - luma) / (2 * (1 - kb)) : (rgb[0] - luma) / (2 * (1 - kr));
  return 128 + (full ? chroma : chroma * 224 / 255);
}

// `rgb` in another format and colorimetry, chroma averaged. Ours, in double precision: GStreamer's own converter
// rounds down, which shifts chroma by half a step, and a CIFAR net's confidence by up to 0.07.
GstBuffer* converted(const cv::Mat& rgb, GstCaps* caps) {
  GstVideoInfo info;
  gst_video_info_from_caps(&info, caps);
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
  gst_buffer_memset(buffer, 0, 0xff, GST_VIDEO_INFO_SIZE(&info));
  GstVideoFrame frame;
  gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE);
  for (int c = 0; c < (GST_VIDEO_INFO_IS_GRAY(&info) ? 1 : 3); ++c) {
    auto* data = static_cast<uint8_t*>(GST_VIDEO_FRAME_COMP_DATA(&frame, c));
    const int across = 1 << GST_VIDEO_FORMAT_INFO_W_SUB(info.finfo, c),
              down = 1 << GST_VIDEO_FORMAT_INFO_H_SUB(info.finfo, c);
    for (int y = 0; y < rgb.rows; y += down)
      for (int x = 0; x < rgb.cols; x += across) {
        double sum = 0;
        int count = 0;
        for (int v = y; v < std::min(y + down, rgb.rows); ++v)
          for (int u = x; u < std::min(x + across, rgb.cols); ++u, ++count)
            sum += component(info, rgb.at<cv::Vec3b>(v, u), c);
        data[y / down * GST_VIDEO_FRAME_COMP_STRIDE(&frame, c) + x / across * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c)] =
            static_cast<uint8_t>(std::lround(sum / count));
      }
  }
  gst_video_frame_unmap(&frame);
  return buffer;
}

Answer classify_as(const std::string& model, const cv::Mat& rgb, const std::string& format,
                   const std::string& colorimetry) {
  std::string text = "video/x-raw, framerate=30/1, format=" + format + ", width=" + std::to_string(rgb.cols) +
                     ", height=" + std::to_string(rgb.rows);
  if (!colorimetry.empty()) text += ", colorimetry=" + colorimetry;
  GstCaps* caps = gst_caps_from_string(text.c_str());
  Properties properties = exact(model);
  properties.emplace_back("resize-mode", "stretch");
  ElementHarness harness(properties, text);
  GstBuffer* out = harness.process(converted(rgb, caps));
  EXPECT_NE(out, nullptr) << text;
  const Answer answer = out ? answer_of(out) : Answer();
  if (out) gst_buffer_unref(out);
  gst_caps_unref(caps);
  return answer;
}

// The same top-1, and confidences within 0.02 of RGB's: a byte of chroma is rounded, and 4:2:0 shares it.
void expect_one_answer(const std::string& model, const cv::Mat& picture) {
  const Answer rgb = classify_as(model, picture, "RGB", "");
  for (const char* format : {"BGR", "RGBA", "BGRA", "RGBx", "BGRx", "xRGB", "xBGR", "ARGB", "ABGR"})
    EXPECT_EQ(classify_as(model, picture, format, "").logits, rgb.logits) << format;
  for (const char* format : {"NV12", "NV21", "I420", "YV12", "YUY2", "UYVY"})
    for (const char* colorimetry : {"bt601", "bt709", "bt2020", "1:4:0:0", "1:3:0:0", "1:6:0:0"}) {
      const Answer answer = classify_as(model, picture, format, colorimetry);
      EXPECT_EQ(answer.label, rgb.label) << format << " " << colorimetry;
      EXPECT_NEAR(answer.confidence, rgb.confidence, 0.02) << format << " " << colorimetry;
    }
}

}  // namespace

TEST_F(PictureTest, APngThroughAPipelineGivesTheLibrarysBits) {
  const std::string model = random_file();
  for (const char* name : {"landscape.png", "portrait.png", "odd.png", "exact.png"}) {
    const std::string path = test_picture(name);
    const Answer answer =
        play("filesrc location=" + path + " ! pngdec ! videoconvert ! video/x-raw, format=RGB", model);
    EXPECT_EQ(answer.logits, library_logits(model, read_rgb(path))) << name;
  }
}

TEST_F(PictureTest, AnOrientationTagTurnsTheInputAsExifTurnsAFile) {
  const std::string model = random_file();
  const cv::Mat upright = read_rgb(test_picture("landscape.png"));
  cv::Mat left, right, half, mirrored, upside_down, transposed, transverse;
  cv::rotate(upright, left, cv::ROTATE_90_COUNTERCLOCKWISE);
  cv::rotate(upright, right, cv::ROTATE_90_CLOCKWISE);
  cv::rotate(upright, half, cv::ROTATE_180);
  cv::flip(upright, mirrored, 1);
  cv::flip(upright, upside_down, 0);
  cv::transpose(upright, transposed);
  cv::rotate(transposed, transverse, cv::ROTATE_180);
  const std::vector<float> expected = classify_rgb(model, upright).logits;
  EXPECT_EQ(classify_rgb(model, upright, "rotate-0").logits, expected);
  EXPECT_EQ(classify_rgb(model, left, "rotate-90").logits, expected);
  EXPECT_EQ(classify_rgb(model, half, "rotate-180").logits, expected);
  EXPECT_EQ(classify_rgb(model, right, "rotate-270").logits, expected);
  EXPECT_EQ(classify_rgb(model, mirrored, "flip-rotate-0").logits, expected);
  EXPECT_EQ(classify_rgb(model, upside_down, "flip-rotate-180").logits, expected);
  EXPECT_EQ(classify_rgb(model, transposed, "flip-rotate-270").logits, expected);
  EXPECT_EQ(classify_rgb(model, transverse, "flip-rotate-90").logits, expected);
  EXPECT_NE(classify_rgb(model, left).logits, expected);
}

TEST_F(PictureTest, AJpegTurnedByExifAgreesWithItsOrientationTag) {
  const std::string model = random_file(), path = test_picture("exif_rotated.jpg");
  const Answer piped =
      play("filesrc location=" + path + " ! jpegparse ! jpegdec ! videoconvert ! video/x-raw, format=RGB", model);
  const Answer file = classify_rgb(model, read_rgb(path));
  const Answer unturned = classify_rgb(model, read_rgb(path, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION));
  EXPECT_EQ(piped.label, file.label);
  EXPECT_LT(distance(piped.logits, file.logits), 0.01);  // decoders differ
  EXPECT_GT(distance(unturned.logits, file.logits), 0.02);
}

TEST_F(PictureTest, ANewStreamForgetsTheOrientation) {
  const std::string model = random_file();
  const cv::Mat picture = read_rgb(test_picture("landscape.png"));
  ElementHarness harness(exact(model), rgb_caps(picture.cols, picture.rows));
  gst_harness_push_event(harness.get(),
                         gst_event_new_tag(gst_tag_list_new(GST_TAG_IMAGE_ORIENTATION, "rotate-90", nullptr)));
  gst_harness_push_event(harness.get(), gst_event_new_stream_start("next"));
  GstBuffer* out = harness.process(to_buffer(picture));
  EXPECT_EQ(answer_of(out).logits, classify_rgb(model, picture).logits);
  gst_buffer_unref(out);
}

TEST_F(PictureTest, EveryFormatAndColorimetryGivesTheAnswerOfRgb) {
  expect_one_answer(color_file(), read_rgb(test_picture("landscape.png")));
}

// Pictures of which the net is sure. Of an undecided one (0.65) it moves by up to 0.09 from the rounding to 8-bit YUV
// alone, computed in double precision without subsampling: that is the net's, not the conversion's.
TEST_F(PictureTest, ATrainedNetGivesOneAnswerInEveryFormatAndColorimetry) {
  RESNETFT_SHARED_DATA(model, "weights/resnet20-12fca82f.th");
  for (const char* name : {"fruits.jpg", "baboon.jpg", "messi5.jpg", "orange.jpg"}) {
    const cv::Mat picture = read_rgb(std::string("/usr/share/doc/opencv-doc/examples/data/") + name);
    if (picture.empty()) GTEST_SKIP() << "not tested: Debian's package opencv-doc is not installed";
    expect_one_answer(model, picture);
  }
}

TEST_F(PictureTest, AGrayPictureGivesTheSameInGray8) {
  const std::string model = color_file();
  cv::Mat gray = read_rgb(test_picture("gray.png"));
  const Answer rgb = classify_as(model, gray, "RGB", "");
  const Answer gray8 = classify_as(model, gray, "GRAY8", "");
  EXPECT_EQ(gray8.label, rgb.label);
  EXPECT_NEAR(gray8.confidence, rgb.confidence, 0.02);
}

TEST_F(PictureTest, OddSizesOfEveryFormatAreClassified) {
  const std::string model = color_file();
  for (const auto& [width, height] : {std::pair{1, 1}, std::pair{3, 5}, std::pair{33, 1}, std::pair{2, 7}}) {
    const cv::Mat green(height, width, CV_8UC3, cv::Scalar(0, 255, 0));
    for (const char* format : {"RGB", "BGR", "RGBA", "xBGR", "NV12", "NV21", "I420", "YV12", "YUY2", "UYVY"})
      EXPECT_EQ(classify_as(model, green, format, "").label, "green") << format << " " << width << "x" << height;
  }
}

}  // namespace resnetft::testing
