// SPDX-License-Identifier: MIT
// Writes the colour model for tests that are no C++ programs: write_color_model FILE
#include <cstdio>

#include "color_model.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const resnetft::Status status = resnetft::save_model(*resnetft::testing::color_model(), argv[1]);
  if (!status) std::fprintf(stderr, "%s\n", resnetft::to_string(status.error()).c_str());
  return status ? 0 : 1;
}
