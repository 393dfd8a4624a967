// SPDX-License-Identifier: MIT
// Compiled once for each test program of many sources. A source still includes what it uses.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
