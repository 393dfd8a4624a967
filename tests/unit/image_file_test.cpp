// SPDX-License-Identifier: MIT
// The expected pixels are Pillow's (data/preprocess, made by data/make_goldens.py).
#include "data/image_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <random>

#include "data/image_header.h"
#include "resnetft/preprocess.h"
#include "tests/support/golden_case.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;
using namespace std::string_literals;
using namespace std::string_view_literals;
const std::string kFolder = RESNETFT_TEST_DATA "/preprocess/";

Result<DecodedImage> decode(std::string_view bytes) {
  return decode_image(std::as_bytes(std::span(bytes.data(), bytes.size())), "test");
}

void expect_refused(std::string_view bytes, ErrorCode code, std::string_view reason) {
  const Result<DecodedImage> image = decode(bytes);
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().code, code);
  EXPECT_NE(image.error().message.find(reason), std::string::npos) << image.error().message;
  EXPECT_NE(image.error().message.find("'test'"), std::string::npos) << image.error().message;
  EXPECT_FALSE(image.error().hint.empty());
}

// As it lies in memory, turned as EXIF says: [height, width, 3] in R, G, B.
std::vector<uint8_t> turned_pixels(const DecodedImage& image) {
  const bool sideways = image.view.orientation >= Orientation::Transpose;
  PreprocessSpec spec{.mode = ResizeMode::Stretch};
  spec.crop_width = sideways ? image.view.height : image.view.width;
  spec.crop_height = sideways ? image.view.width : image.view.height;
  std::vector<uint8_t> pixels(static_cast<size_t>(spec.crop_width * spec.crop_height * 3));
  EXPECT_TRUE(Preprocessor::create(spec).value().to_pixels(image.view, pixels).ok());
  return pixels;
}

std::string encoded(const std::string& ending, const cv::Mat& mat, const std::vector<int>& parameters = {}) {
  std::vector<uchar> bytes;
  EXPECT_TRUE(cv::imencode(ending, mat, bytes, parameters));
  return {bytes.begin(), bytes.end()};
}

cv::Mat random_mat(int width, int height, int type) {
  cv::Mat mat(height, width, type);
  cv::RNG random(7);
  random.fill(mat, cv::RNG::UNIFORM, 0, mat.depth() == CV_16U ? 65536 : 256);
  return mat;
}

TEST(ImageFile, GivesPillowsPixelsOfEveryGoldenPicture) {
  const Json golden = Json::parse(testing::read_text(kFolder + "cases.json"));
  int checked = 0;
  for (const Json& test_case : golden.at("cases")) {
    const std::string file = test_case.at("file");
    const Result<DecodedImage> image = read_image_file(kFolder + file);
    ASSERT_TRUE(image.ok()) << to_string(image.error());
    const size_t side = test_case.at("crop");
    std::vector<uint8_t> pixels(side * side * 3);
    ASSERT_TRUE(Preprocessor::create(testing::spec_of(test_case)).value().to_pixels(image->view, pixels).ok());
    // JPEG decoders differ; everything else is lossless.
    const bool jpeg = file.ends_with(".jpg");
    testing::expect_close(test_case, pixels, jpeg ? 3 : 0, jpeg ? 0.5 : 1e-9);
    ++checked;
  }
  EXPECT_EQ(checked, 80);
}

// TIFF header, one directory with the orientation and nothing else.
std::string exif_of(int orientation) {
  return "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + static_cast<char>(orientation) + "\0\0\0\0\0\0\0"s;
}

std::string with_jpeg_exif(const std::string& jpeg, int orientation) {
  const std::string exif = "Exif\0\0"s + exif_of(orientation);
  return jpeg.substr(0, 2) + "\xff\xe1\0"s + static_cast<char>(exif.size() + 2) + exif + jpeg.substr(2);
}

uint32_t png_crc(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string png_chunk(const std::string& type, const std::string& data) {
  return big_endian(static_cast<uint32_t>(data.size())) + type + data + big_endian(png_crc(type + data));
}

TEST(ImageFile, TheExifOrientationOfAJpegIsReportedAndNotApplied) {
  const std::string jpeg = encoded(".jpg", random_mat(40, 24, CV_8UC3));
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Result<DecodedImage> image = decode(with_jpeg_exif(jpeg, orientation));
    ASSERT_TRUE(image.ok()) << to_string(image.error());
    EXPECT_EQ(static_cast<int>(image->view.orientation), orientation);
    EXPECT_EQ(image->view.width, 40);
    EXPECT_EQ(image->view.height, 24);
  }
  EXPECT_EQ(decode(with_jpeg_exif(jpeg, 9))->view.orientation, Orientation::Normal);
}

TEST(ImageFile, APictureTurnedByExifIsTheSameFrameTurnedByATag) {
  const std::string jpeg = encoded(".jpg", random_mat(40, 24, CV_8UC3));
  DecodedImage frame = decode(jpeg).value();
  frame.view.orientation = Orientation::Rotate90Clockwise;
  const DecodedImage file = decode(with_jpeg_exif(jpeg, 6)).value();
  EXPECT_EQ(turned_pixels(file), turned_pixels(frame));
  frame.view.orientation = Orientation::Normal;
  EXPECT_NE(turned_pixels(file), turned_pixels(frame));
}

// A smooth picture, of which a reduced one is about the resized one.
cv::Mat gradient_mat(int width, int height, int type = CV_8UC3) {
  cv::Mat mat(height, width, type);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width * mat.channels(); ++x)
      mat.ptr(y)[x] = static_cast<uchar>(128 + 60 * std::sin(x / 37.0) + 60 * std::cos(y / 15.0));
  return mat;
}

Result<DecodedImage> decode_reduced(std::string_view bytes, int divisor) {
  return decode_image(std::as_bytes(std::span(bytes.data(), bytes.size())), "test", [=](int, int) { return divisor; });
}

TEST(ImageFile, AReducedJpegIsTheResizedPicture) {
  for (const int type : {CV_8UC3, CV_8UC1}) {
    const std::string jpeg = encoded(".jpg", gradient_mat(88, 56, type), {cv::IMWRITE_JPEG_QUALITY, 98});
    for (const int divisor : {1, 2, 4, 8}) {
      const DecodedImage image = decode_reduced(jpeg, divisor).value();
      EXPECT_EQ(image.view.width, 88 / divisor);
      EXPECT_EQ(image.view.height, 56 / divisor);
      PreprocessSpec spec{.mode = ResizeMode::Stretch, .crop_width = 10, .crop_height = 6};
      std::vector<uint8_t> whole(180), reduced(180);
      Preprocessor preprocessor = Preprocessor::create(spec).value();
      ASSERT_TRUE(preprocessor.to_pixels(decode(jpeg)->view, whole).ok());
      ASSERT_TRUE(preprocessor.to_pixels(image.view, reduced).ok());
      for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(whole[i], reduced[i], 12) << divisor;
    }
  }
}

TEST(ImageFile, TheSidesOfAReducedJpegAreRoundedUp) {
  const DecodedImage image = decode_reduced(encoded(".jpg", random_mat(83, 49, CV_8UC3)), 8).value();
  EXPECT_EQ(image.view.width, 11);
  EXPECT_EQ(image.view.height, 7);
}

TEST(ImageFile, ReducingIsAskedOfJpegsOnlyAndWithTheTurnedSize) {
  std::vector<std::pair<int, int>> asked;
  const ReduceBy remember = [&](int width, int height) {
    asked.emplace_back(width, height);
    return 2;
  };
  const auto size_of = [&](const std::string& bytes) {
    const DecodedImage image = decode_image(std::as_bytes(std::span(bytes)), "test", remember).value();
    return std::pair(image.view.width, image.view.height);
  };
  const std::string jpeg = encoded(".jpg", random_mat(40, 24, CV_8UC3));
  EXPECT_EQ(size_of(jpeg), std::pair(20, 12));
  EXPECT_EQ(size_of(with_jpeg_exif(jpeg, 6)), std::pair(20, 12));
  EXPECT_EQ(size_of(encoded(".png", random_mat(40, 24, CV_8UC3))), std::pair(40, 24));
  EXPECT_EQ(asked, (std::vector<std::pair<int, int>>{{40, 24}, {24, 40}}));
}

TEST(ImageFile, AReducedCmykJpegIsTheWholeOneReduced) {
  const std::string bytes = testing::read_text(kFolder + "cmyk.jpg");
  const DecodedImage whole = decode(bytes).value(), half = decode_reduced(bytes, 2).value();
  EXPECT_EQ(half.view.width, (whole.view.width + 1) / 2);
  const auto mean = [](const DecodedImage& image) {
    const std::vector<uint8_t> pixels = turned_pixels(image);
    return std::accumulate(pixels.begin(), pixels.end(), 0.0) / static_cast<double>(pixels.size());
  };
  EXPECT_NEAR(mean(half), mean(whole), 1.5);
}

TEST(ImageFile, PngAndWebpCarryExifToo) {
  const std::string png = encoded(".png", random_mat(5, 4, CV_8UC3));
  const Result<DecodedImage> from_png = decode(png.substr(0, 33) + png_chunk("eXIf", exif_of(8)) + png.substr(33));
  ASSERT_TRUE(from_png.ok()) << to_string(from_png.error());
  EXPECT_EQ(from_png->view.orientation, Orientation::Rotate90CounterClockwise);

  const std::string webp = "RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0EXIF\x1a\0\0\0"s + exif_of(3);
  EXPECT_EQ(read_webp_orientation(std::as_bytes(std::span(webp))), Orientation::Rotate180);
}

TEST(ImageFile, EveryLosslessFormatGivesItsPixels) {
  const cv::Mat mat = random_mat(13, 7, CV_8UC3);
  const std::vector<uint8_t> expected = turned_pixels(decode(encoded(".png", mat)).value());
  for (const char* ending : {".bmp", ".ppm", ".tiff"}) {
    const Result<DecodedImage> image = decode(encoded(ending, mat));
    ASSERT_TRUE(image.ok()) << ending << ": " << to_string(image.error());
    EXPECT_EQ(turned_pixels(*image), expected) << ending;
  }
  const Result<DecodedImage> webp = decode(encoded(".webp", mat, {cv::IMWRITE_WEBP_QUALITY, 101}));
  ASSERT_TRUE(webp.ok()) << to_string(webp.error());
  EXPECT_EQ(turned_pixels(*webp), expected);
}

TEST(ImageFile, SixteenBitsKeepTheirHighByte) {
  const cv::Mat mat = random_mat(9, 6, CV_16UC3);
  for (const char* ending : {".png", ".tiff", ".ppm"}) {
    const Result<DecodedImage> image = decode(encoded(ending, mat));
    ASSERT_TRUE(image.ok()) << ending << ": " << to_string(image.error());
    const std::vector<uint8_t> pixels = turned_pixels(*image);
    for (int y = 0; y < mat.rows; ++y)
      for (int x = 0; x < mat.cols; ++x)
        for (int c = 0; c < 3; ++c)
          ASSERT_EQ(pixels[static_cast<size_t>((y * mat.cols + x) * 3 + c)], mat.at<cv::Vec3w>(y, x)[2 - c] >> 8)
              << ending;
  }
}

TEST(ImageFile, AlphaIsDroppedWithoutBlending) {
  const cv::Mat mat = random_mat(8, 8, CV_8UC4);
  const std::vector<uint8_t> pixels = turned_pixels(decode(encoded(".png", mat)).value());
  EXPECT_EQ(pixels[0], mat.at<cv::Vec4b>(0, 0)[2]);
  EXPECT_EQ(pixels[1], mat.at<cv::Vec4b>(0, 0)[1]);
  EXPECT_EQ(pixels[2], mat.at<cv::Vec4b>(0, 0)[0]);
}

std::string little_endian(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i);
  return text;
}

// Uncompressed RGB, 3x2, one strip.
std::string tiff_turned(int orientation, const std::string& rgb) {
  const std::vector<std::array<uint32_t, 2>> tags = {{0x100, 3}, {0x101, 2}, {0x102, 8}, {0x103, 1}, {0x106, 2},
                                                     {0x111, 0}, {0x112, 0}, {0x115, 3}, {0x116, 2}, {0x117, 18}};
  const uint32_t pixels = 8 + 2 + 12 * static_cast<uint32_t>(tags.size()) + 4;
  std::string file = "II*\0\x08\0\0\0"s + little_endian(static_cast<uint32_t>(tags.size()), 2);
  for (const auto& [tag, value] : tags) {
    const uint32_t number = tag == 0x111 ? pixels : tag == 0x112 ? static_cast<uint32_t>(orientation) : value;
    file += little_endian(tag, 2) + little_endian(3, 2) + little_endian(1, 4) + little_endian(number, 4);
  }
  return file + little_endian(0, 4) + rgb;
}

TEST(ImageFile, ATiffIsTurnedAsAnyOtherPictureWithThatOrientation) {
  std::string rgb;
  for (char i = 0; i < 18; ++i) rgb += i;
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Result<DecodedImage> file = decode(tiff_turned(orientation, rgb));
    ASSERT_TRUE(file.ok()) << to_string(file.error());
    const ImageView frame{.width = 3,
                          .height = 2,
                          .planes = {reinterpret_cast<const uint8_t*>(rgb.data())},
                          .strides = {9},
                          .orientation = static_cast<Orientation>(orientation)};
    EXPECT_EQ(turned_pixels(*file), turned_pixels({frame, nullptr})) << orientation;
  }
}

TEST(ImageFile, ExtremeShapesAreRead) {
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(1, 10000), std::pair(10000, 1)}) {
    const DecodedImage image = decode(encoded(".png", random_mat(width, height, CV_8UC3))).value();
    EXPECT_EQ(image.view.width, width);
    EXPECT_EQ(image.view.height, height);
  }
}

// A header of each format that claims 30000x30000 and has no pixels behind it.
TEST(ImageFile, AHugeHeaderIsRefusedBeforeMemoryIsAllocated) {
  const std::string side = little_endian(30000, 4), side_16 = little_endian(30000, 2);
  const std::string png = "\x89PNG\r\n\x1a\n"s +
                          png_chunk("IHDR", big_endian(30000) + big_endian(30000) + "\x08\x02\0\0\0"s) +
                          png_chunk("IDAT", "x");
  const std::string bmp = "BM"s + std::string(12, '\0') + little_endian(40, 4) + side + side + "\x01\0\x18\0"s;
  const std::string tiff =
      "II*\0\x08\0\0\0\x02\0"s + "\0\x01\x03\0\x01\0\0\0"s + side + "\x01\x01\x03\0\x01\0\0\0"s + side;
  const std::string gif = "GIF89a"s + side_16 + side_16 + "\0\0\0"s;
  std::string jpeg = encoded(".jpg", random_mat(8, 8, CV_8UC3));
  const size_t frame = jpeg.find("\xff\xc0"s);
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\x75\x30\x75\x30");
  for (const std::string& file : {png, bmp, "P6 30000 30000 255\n"s, tiff, gif, jpeg})
    expect_refused(file, ErrorCode::CorruptFile, "30000x30000");
}

TEST(ImageFile, WhatIsNotAPictureIsNamed) {
  expect_refused("", ErrorCode::CorruptFile, "empty");
  expect_refused("just some text", ErrorCode::CorruptFile, "known format");
  expect_refused("RIFF\x10\0\0\0WAVEfmt "sv, ErrorCode::CorruptFile, "known format");
  expect_refused("\xff\xd8\xff", ErrorCode::CorruptFile, "cut short");
  expect_refused("BM", ErrorCode::CorruptFile, "BMP");
}

// At every 1 % of its length. A BMP, PNM or TIFF that lacks its last row counts as well as one that lacks all.
TEST(ImageFile, ATruncatedFileIsAnErrorAtEveryLength) {
  const cv::Mat mat = random_mat(60, 50, CV_8UC3);
  std::vector<std::pair<std::string, std::string>> files;
  for (const char* ending : {".jpg", ".png", ".bmp", ".ppm", ".tiff", ".webp"})
    files.emplace_back(ending, encoded(ending, mat));
  files.emplace_back("progressive", encoded(".jpg", mat, {cv::IMWRITE_JPEG_PROGRESSIVE, 1}));
  for (const auto& [name, file] : files) {
    ASSERT_TRUE(decode(file).ok()) << name;
    ::testing::internal::CaptureStderr();
    for (size_t percent = 0; percent < 100; ++percent) {
      const Result<DecodedImage> image = decode(std::string_view(file).substr(0, file.size() * percent / 100));
      ASSERT_FALSE(image.ok()) << name << " at " << percent << " %";
      EXPECT_EQ(image.error().code, ErrorCode::CorruptFile) << name;
    }
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "") << name << " made a library print";
  }
}

// Every answer is a picture of the stated size or an error: reading all its pixels is what a sanitizer looks at.
TEST(ImageFile, FlippedBitsGiveAWholePictureOrAnError) {
  std::mt19937 random(1);
  int refused = 0, read = 0;
  for (const char* name :
       {"colour.jpg", "cmyk.jpg", "progressive.jpg", "exif_rotated.jpg", "palette.png", "rgba.png"}) {
    const std::string original = testing::read_text(kFolder + name);
    for (int round = 0; round < 100; ++round) {
      std::string file = original;
      for (int flip = 0; flip < 3; ++flip) file[random() % file.size()] ^= static_cast<char>(1 << random() % 8);
      const Result<DecodedImage> image = decode(file);
      if (!image) {
        ++refused;
        continue;
      }
      ++read;
      if (image->view.width * image->view.height > 1 << 20) continue;
      EXPECT_FALSE(turned_pixels(*image).empty());
    }
  }
  EXPECT_EQ(refused + read, 600);
  EXPECT_GT(refused, 100);
}

TEST(ImageFile, AnAnimatedGifGivesItsFirstFrameOrSaysWhatReadsIt) {
  const std::string gif =
      "GIF89a\x01\0\x01\0\x80\0\0\xff\0\0\0\0\0!\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
      "!\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0;"s;
  const Result<DecodedImage> image = decode(gif);
  if (image) {
    EXPECT_EQ(turned_pixels(*image), (std::vector<uint8_t>{255, 0, 0}));
  } else {
    EXPECT_NE(image.error().hint.find("OpenCV 4.11"), std::string::npos) << to_string(image.error());
  }
}

TEST(ImageFile, WhatCannotBeOpenedSaysWhy) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(read_image_file(folder.file("missing.jpg")).error().code, ErrorCode::NotFound);
  mkdir(folder.file("x.jpg").c_str(), 0755);
  EXPECT_EQ(read_image_file(folder.file("x.jpg")).error().code, ErrorCode::Io);
  mkfifo(folder.file("pipe.jpg").c_str(), 0644);
  EXPECT_EQ(read_image_file(folder.file("pipe.jpg")).error().code, ErrorCode::Io);
  if (geteuid() == 0) return;  // root reads everything
  testing::write_text(folder.file("secret.jpg"), "x");
  chmod(folder.file("secret.jpg").c_str(), 0);
  EXPECT_EQ(read_image_file(folder.file("secret.jpg")).error().code, ErrorCode::Io);
}

TEST(ImageFile, AnEncodedJpegIsReadBack) {
  std::vector<uint8_t> rgb(16 * 8 * 3);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = i % 3 == 0 ? 200 : 40;
  const Result<std::string> file = encode_jpeg(rgb, 16, 8, 95);
  ASSERT_TRUE(file.ok());
  const std::vector<uint8_t> pixels = turned_pixels(decode(*file).value());
  ASSERT_EQ(pixels.size(), rgb.size());
  for (size_t i = 0; i < rgb.size(); ++i) EXPECT_NEAR(pixels[i], rgb[i], 3);
  EXPECT_EQ(encode_jpeg(rgb, 16, 9, 95).error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace resnetft
