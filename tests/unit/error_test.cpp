// SPDX-License-Identifier: MIT
#include "resnetft/error.h"

#include <gtest/gtest.h>

#include <set>

namespace resnetft {
namespace {

TEST(Error, EveryCodeHasANameAndAnExitStatusOfItsOwn) {
  std::set<std::string_view> names;
  std::set<int> statuses;
  for (int code = 0; code <= static_cast<int>(ErrorCode::Internal); ++code) {
    names.insert(error_name(static_cast<ErrorCode>(code)));
    statuses.insert(exit_status(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), 9u);
  EXPECT_EQ(statuses.size(), 9u);
  EXPECT_FALSE(statuses.contains(0));
  EXPECT_FALSE(statuses.contains(1));
}

TEST(Error, TextJoinsMessageAndHint) {
  EXPECT_EQ(to_string({ErrorCode::Io, "cannot write 'a'", "free some space"}), "cannot write 'a'; free some space");
  EXPECT_EQ(to_string({ErrorCode::Io, "cannot write 'a'", ""}), "cannot write 'a'");
}

TEST(Result, HoldsAValueOrAnErrorAndNeverBoth) {
  const Result<int> good = 7;
  const Result<int> bad = Error{ErrorCode::NotFound, "no 'x'", ""};
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 7);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, ErrorCode::NotFound);
  EXPECT_THROW(static_cast<void>(bad.value()), std::bad_variant_access);
}

}  // namespace
}  // namespace resnetft
