// SPDX-License-Identifier: MIT
// A picture in somebody's memory: 8-bit pixels, packed or in planes, with strides and colorimetry.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace resnetft {

// Named as GStreamer names them: packed formats by the order of their bytes in memory (the byte called x or a is
// ignored); Nv12, Nv21, I420, Yv12 are 4:2:0, Yuy2 and Uyvy 4:2:2.
enum class PixelFormat {
  Rgb,
  Bgr,
  Rgba,
  Bgra,
  Argb,
  Abgr,
  Rgbx,
  Bgrx,
  Xrgb,
  Xbgr,
  Gray8,
  Nv12,
  Nv21,
  I420,
  Yv12,
  Yuy2,
  Uyvy
};

// For the YUV formats only; Gray8 is full range always.
enum class ColorMatrix { Bt601, Bt709, Bt2020 };
enum class ColorRange { Limited, Full };

// How the picture must be turned before anybody looks at it; the values are EXIF's (tag 0x0112).
enum class Orientation : uint8_t {
  Normal = 1,
  FlipHorizontal,
  Rotate180,
  FlipVertical,
  Transpose,
  Rotate90Clockwise,
  Transverse,
  Rotate90CounterClockwise
};

// In pixels of the stored picture, before it is turned. Width or height 0: the whole picture.
struct Region {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

enum class MemoryKind { Host, Cuda };

// Where pixels lie: in the host's memory, or in that of the GPU which CUDA counts as `gpu`. `context` is the CUcontext
// that the memory was taken in; null: the GPU's primary one, CUDA's runtime's and LibTorch's.
struct PixelMemory {
  MemoryKind kind = MemoryKind::Host;
  int gpu = 0;
  void* context = nullptr;
};

// Borrows the pixels. `planes[i]` points at the first byte of the first row of plane i (Nv12: Y, UV; I420: Y, U, V;
// Yv12: Y, V, U, as in memory), `strides[i]` is the distance in bytes between two rows of it, negative where rows are
// stored bottom up. Chroma of odd sizes is rounded up: a 5x3 I420 picture has 3x2 chroma.
struct ImageView {
  PixelFormat format = PixelFormat::Rgb;
  int width = 0;
  int height = 0;
  std::array<const uint8_t*, 3> planes = {};
  std::array<ptrdiff_t, 3> strides = {};
  ColorMatrix matrix = ColorMatrix::Bt601;
  ColorRange range = ColorRange::Limited;
  Orientation orientation = Orientation::Normal;
  Region region = {};
  PixelMemory memory = {};  // what is written there must be done before the view is used
};

}  // namespace resnetft
