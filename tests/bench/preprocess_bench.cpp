// SPDX-License-Identifier: MIT
// A frame of a video to the input of a ResNet: resize 256 and crop 224, floats, one thread. The frames take turns among
// several, so that each comes from memory, as a decoder's would, and not from the cache.
#include <benchmark/benchmark.h>

#include <vector>

#include "image/resampler.h"
#include "tests/support/picture.h"

namespace resnetft {
namespace {

constexpr int kFrames = 8;

struct Stream {
  PixelFormat format;
  int width, height;
  Orientation orientation = Orientation::Normal;
};

void run(benchmark::State& state, const Stream& stream, SimdLevel level, Interpolation interpolation) {
  testing::Random random(1);
  std::vector<testing::Picture> frames;
  for (int i = 0; i < kFrames; ++i) {
    frames.push_back(testing::make_picture(stream.format, stream.width, stream.height));
    testing::fill_random(frames.back(), random);
    frames.back().view.orientation = stream.orientation;
  }
  const PreprocessSpec spec = {.interpolation = interpolation};
  std::vector<float> tensor(static_cast<size_t>(spec.crop_width * spec.crop_height * 3));
  Resampler resampler(spec, row_kernels(level));
  Destination destination;
  destination.tensor = tensor.data();
  destination.width = spec.crop_width;
  destination.height = spec.crop_height;
  size_t next = 0;
  for (auto _ : state) {
    resampler.run(frames[next++ % kFrames].view, destination);
    benchmark::DoNotOptimize(tensor.data());
    benchmark::ClobberMemory();
  }
}

void add(const std::string& name, const Stream& stream, Interpolation interpolation = Interpolation::Bilinear) {
  static constexpr const char* kNames[] = {"plain", "avx2", "avx512"};
  for (const SimdLevel level : available_simd_levels())
    benchmark::RegisterBenchmark((name + "/" + kNames[static_cast<int>(level)]).c_str(), [=](benchmark::State& state) {
      run(state, stream, level, interpolation);
    })->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) {
  using namespace resnetft;
  add("1080p-rgba", {PixelFormat::Rgba, 1920, 1080});
  add("1080p-rgb", {PixelFormat::Rgb, 1920, 1080});
  add("1080p-nv12", {PixelFormat::Nv12, 1920, 1080});
  add("1080p-i420", {PixelFormat::I420, 1920, 1080});
  add("1080p-yuy2", {PixelFormat::Yuy2, 1920, 1080});
  add("1080p-rgba-bicubic", {PixelFormat::Rgba, 1920, 1080}, Interpolation::Bicubic);
  add("1080p-rgba-turned", {PixelFormat::Rgba, 1920, 1080, Orientation::Rotate90Clockwise});
  add("4k-rgba", {PixelFormat::Rgba, 3840, 2160});
  add("4k-nv12", {PixelFormat::Nv12, 3840, 2160});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
