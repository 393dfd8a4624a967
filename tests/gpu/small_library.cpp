// SPDX-License-Identifier: MIT
// Stands in the bundle's libresnetft for what needs OpenCV and oneDNN, which are larger than all the rest.
#include "data/image_decoders.h"
#include "infer/onednn/onednn_engine.h"

namespace resnetft {
namespace {

// Incompatible: the reference engine, of LibTorch, takes its place.
Error not_in_bundle(const char* what) {
  return {ErrorCode::Incompatible, std::string(what) + " is not in the bundle of the GPU tests", "use device cuda"};
}

}  // namespace

Result<std::shared_ptr<const Engine>> create_onednn_engine(const Model&, const EngineSpec&) {
  return not_in_bundle("the engine onednn");
}

Result<std::string> encode_jpeg(std::span<const uint8_t>, int, int, int) { return not_in_bundle("OpenCV"); }
Result<std::string> encode_png(std::span<const uint8_t>, int, int) { return not_in_bundle("OpenCV"); }
Result<DecodedImage> decode_with_opencv(std::span<const std::byte>, ImageFormat) { return not_in_bundle("OpenCV"); }

}  // namespace resnetft
