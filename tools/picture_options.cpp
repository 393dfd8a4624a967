// SPDX-License-Identifier: MIT
#include "picture_options.h"

#include <algorithm>
#include <cmath>

namespace resnetft::tool {
namespace {

Status read_channels(const CommandLine& line, std::string_view option, std::array<float, 3>& channels) {
  if (!line.given(option)) return Status::success();
  const std::vector<std::string> parts = split_at_commas(line.text(option));
  bool good = parts.size() == channels.size();
  for (size_t i = 0; good && i < channels.size(); ++i) {
    const std::optional<double> value = parse_real(parts[i]);
    good = value.has_value();
    channels[i] = static_cast<float>(value.value_or(0));
  }
  if (good) return Status::success();
  return Error{ErrorCode::InvalidArgument,
               "--" + std::string(option) + " '" + line.text(option) + "' is not three numbers",
               "write them as 0.485,0.456,0.406"};
}

}  // namespace

Result<Size> parse_size(const CommandLine& line, std::string_view option) {
  const std::string text = line.text(option);
  const size_t cross = text.find('x');
  const std::optional<uint64_t> width = parse_unsigned(text.substr(0, cross));
  const std::optional<uint64_t> height = cross == std::string::npos ? width : parse_unsigned(text.substr(cross + 1));
  constexpr uint64_t kMaxSide = 32768;
  if (width && height && *width >= 1 && *height >= 1 && *width <= kMaxSide && *height <= kMaxSide)
    return Size{static_cast<int>(*width), static_cast<int>(*height)};
  return Error{ErrorCode::InvalidArgument, "--" + std::string(option) + " '" + text + "' is not a size",
               "write 224 or 320x240, from 1 to 32768 a side"};
}

void scale_to(PreprocessSpec& spec, Size size) {
  const double ratio = static_cast<double>(std::min(size.width, size.height)) /
                       static_cast<double>(std::min(spec.crop_width, spec.crop_height));
  spec.resize = static_cast<int>(std::lround(spec.resize * ratio));
  spec.crop_width = size.width;
  spec.crop_height = size.height;
}

Status change_filter_and_colour(const CommandLine& line, PreprocessSpec& spec) {
  if (const int mode = line.choice("resize-mode"); mode > 0) spec.mode = static_cast<ResizeMode>(mode - 1);
  if (const int filter = line.choice("interpolation"); filter >= 0)
    spec.interpolation = static_cast<Interpolation>(filter);
  if (Status status = read_channels(line, "mean", spec.mean); !status) return status;
  if (Status status = read_channels(line, "std", spec.std); !status) return status;
  const Result<Preprocessor> checked = Preprocessor::create(spec);
  if (!checked) return checked.error();
  return Status::success();
}

}  // namespace resnetft::tool
