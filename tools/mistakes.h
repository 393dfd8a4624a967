// SPDX-License-Identifier: MIT
// The pictures that a model named wrongly and was surest of, for reports.
#pragma once

#include <string>
#include <vector>

#include "resnetft/image.h"
#include "train/report.h"

namespace resnetft::tool {

// Puts `mistake` into its place, the surest first, and drops the 25th.
void keep_worst(std::vector<Mistake>& mistakes, Mistake mistake);

// A JPEG file of the picture, turned as EXIF says, whole, on white. Empty where it cannot be made.
std::string thumbnail(const ImageView& image);

}  // namespace resnetft::tool
