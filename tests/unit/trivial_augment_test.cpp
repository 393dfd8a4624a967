// SPDX-License-Identifier: MIT
// The expected pixels are torchvision's (data/augmentation, made by data/make_augmentation.py).
#include "data/trivial_augment.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;
using Pixels = std::vector<uint8_t>;

const Json& golden() {
  static const Json document = Json::parse(testing::read_text(RESNETFT_TEST_DATA "/augmentation/trivial.json"));
  return document;
}

Pixels from_hex(const std::string& text) {
  Pixels bytes;
  for (size_t i = 0; i < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

TrivialOperation operation_of(const std::string& name) {
  for (int i = 0; i < kTrivialOperations; ++i)
    if (trivial_operation_name(static_cast<TrivialOperation>(i)) == name) return static_cast<TrivialOperation>(i);
  throw std::invalid_argument(name);
}

TEST(TrivialAugment, MagnitudesAndSignsAreTorchvisions) {
  EXPECT_EQ(golden().at("magnitudes").size(), static_cast<size_t>(kTrivialOperations));
  for (const auto& [name, magnitudes] : golden().at("magnitudes").items()) {
    const TrivialOperation operation = operation_of(name);
    EXPECT_EQ(is_signed(operation), golden().at("signed").at(name).get<bool>()) << name;
    for (size_t strength = 0; strength < magnitudes.size(); ++strength)
      EXPECT_NEAR(trivial_magnitude(operation, static_cast<int>(strength)), magnitudes[strength].get<double>(), 4e-6)
          << name << " at " << strength;
  }
}

TEST(TrivialAugment, EveryOperationGivesTorchvisionsPixels) {
  const Pixels before = from_hex(golden().at("before"));
  std::set<std::string> names;
  for (const Json& test_case : golden().at("cases")) {
    const std::string name = test_case.at("operation");
    Pixels pixels = before;
    const TrivialOperation operation = operation_of(name);
    const double magnitude =
        trivial_magnitude(operation, test_case.at("strength")) * test_case.at("sign").get<double>();
    apply_trivial_operation(operation, magnitude, {pixels, golden().at("width"), golden().at("height")});
    EXPECT_EQ(pixels, from_hex(test_case.at("after"))) << name << " at " << test_case.at("magnitude");
    names.insert(name);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kTrivialOperations));
}

TEST(TrivialAugment, EqualizeGivesTorchvisionsPixelsWhereThereAreEnough) {
  const Json& equalized = golden().at("equalized");
  Pixels pixels = from_hex(equalized.at("before"));
  equalize({pixels, equalized.at("width"), equalized.at("height")});
  EXPECT_NE(pixels, from_hex(equalized.at("before")));
  EXPECT_EQ(pixels, from_hex(equalized.at("after")));
}

// Each operation 1/14, of a picture on which no two leave the same pixels but for weak ones.
TEST(TrivialAugment, DrawsEveryOperationAndBothSigns) {
  const Pixels before = from_hex(golden().at("before"));
  std::map<std::string, std::set<Pixels>> possible;
  for (int i = 0; i < kTrivialOperations; ++i)
    for (int strength = 0; strength < kTrivialStrengths; ++strength)
      for (const int sign : {1, -1}) {
        const auto operation = static_cast<TrivialOperation>(i);
        if (sign < 0 && !is_signed(operation)) continue;
        Pixels pixels = before;
        apply_trivial_operation(operation, sign * trivial_magnitude(operation, strength), {pixels, 9, 7});
        possible[std::string(trivial_operation_name(operation)) + (sign < 0 ? "-" : "+")].insert(pixels);
      }
  std::set<std::string> drawn;
  for (uint32_t index = 0; index < 3000; ++index) {
    CounterRandom random(1, 1, 0, index);
    Pixels pixels = before;
    trivial_augment({pixels, 9, 7}, random);
    int makers = 0;
    std::string maker;
    for (const auto& [name, results] : possible)
      if (results.contains(pixels)) {
        ++makers;
        maker = name;
      }
    ASSERT_GT(makers, 0);
    if (makers == 1) drawn.insert(maker);
  }
  // AutoContrast, and what leaves this small picture as it is, are told apart from nothing else.
  for (const char* name :
       {"ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness"})
    for (const char* sign : {"+", "-"}) EXPECT_TRUE(drawn.contains(std::string(name) + sign)) << name << sign;
  for (const char* name : {"Posterize+", "Solarize+", "AutoContrast+"}) EXPECT_TRUE(drawn.contains(name)) << name;
}

TEST(PictureOperations, AThirdOfTheCircleTurnsRedToGreenToBlue) {
  Pixels pixels = {200, 10, 10, 10, 200, 10, 10, 10, 200, 50, 50, 50};
  shift_hue({pixels, 4, 1}, 1.0f / 3);
  EXPECT_EQ(pixels, (Pixels{10, 200, 10, 10, 10, 200, 200, 10, 10, 50, 50, 50}));
  shift_hue({pixels, 4, 1}, -1.0f / 3);
  EXPECT_EQ(pixels, (Pixels{200, 10, 10, 10, 200, 10, 10, 10, 200, 50, 50, 50}));
}

TEST(PictureOperations, NoTurnOfTheHueLeavesEveryColour) {
  Pixels pixels;
  for (int red = 0; red < 256; red += 15)
    for (int green = 0; green < 256; green += 15)
      for (int blue = 0; blue < 256; blue += 15)
        pixels.insert(pixels.end(),
                      {static_cast<uint8_t>(red), static_cast<uint8_t>(green), static_cast<uint8_t>(blue)});
  const Pixels before = pixels;
  shift_hue({pixels, static_cast<int>(pixels.size() / 3), 1}, 0);
  EXPECT_EQ(pixels, before);
}

TEST(PictureOperations, TheSmallestPicturesPassThroughEverything) {
  for (int i = 0; i < kTrivialOperations; ++i) {
    Pixels pixel = {9, 90, 200};
    apply_trivial_operation(static_cast<TrivialOperation>(i), 0, {pixel, 1, 1});
    const bool keeps = static_cast<TrivialOperation>(i) != TrivialOperation::Posterize &&
                       static_cast<TrivialOperation>(i) != TrivialOperation::Solarize;
    if (keeps) {
      EXPECT_EQ(pixel, (Pixels{9, 90, 200})) << i;
    }
  }
}

// Gray pictures keep their gray under saturation and hue, so that what is left is brightness and contrast.
TEST(ColorJitter, StaysWithinItsStrength) {
  int darkest = 255, brightest = 0;
  for (uint32_t index = 0; index < 500; ++index) {
    Pixels pixels(12, 100);
    CounterRandom random(3, 1, 0, index);
    jitter_colors({pixels, 2, 2}, 0.4, random);
    ASSERT_EQ(std::set<uint8_t>(pixels.begin(), pixels.end()).size(), 1u);
    darkest = std::min<int>(darkest, pixels[0]);
    brightest = std::max<int>(brightest, pixels[0]);
  }
  EXPECT_NEAR(darkest, 60, 2);
  EXPECT_NEAR(brightest, 140, 2);
}

}  // namespace
}  // namespace resnetft
