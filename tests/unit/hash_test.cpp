// SPDX-License-Identifier: MIT
// The two values are the examples of FIPS 180-4 for the empty message and for "abc".
#include "base/hash.h"

#include <gtest/gtest.h>

#include <string_view>

namespace resnetft {
namespace {

TEST(Hash, AgreesWithTheExamplesOfTheStandard) {
  EXPECT_EQ(sha256_hex(std::span<const std::byte>()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(std::string_view("abc")))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace resnetft
