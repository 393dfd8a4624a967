// SPDX-License-Identifier: MIT
// A decoded picture with what was drawn for it, for a device to make training's input of.
#pragma once

#include <cstddef>
#include <vector>

#include "data/image_file.h"
#include "device/frame_change.h"

namespace resnetft {

struct DrawnPicture {
  DecodedImage image;           // of it, the view's region is wanted
  FrameChange change;           // once that is preprocessed
  std::vector<float> finished;  // [H, W, 3]: not empty where the CPU has done it all, because no device can
};

// A batch of larger ones would crowd the net out of a device's memory.
inline constexpr size_t kMostDeviceBytes = size_t{4} << 20;

// Whether a picture's region may be left to a device: packed pixels, at most so many bytes.
bool suits_device(const ImageView& view);

// The view's region alone, its rows one after the other. Shares the pixels where they lie so already. Of packed pixels.
DecodedImage cut_out(const DecodedImage& image);

// Bytes of the rows of a picture of packed pixels, all of it.
size_t packed_bytes(const ImageView& view);
// Copies them to `target`.
void copy_packed(const ImageView& view, uint8_t* target);

}  // namespace resnetft
