// SPDX-License-Identifier: MIT
// A libnvcuvid.so.1 for the GPU that is the host, as far as GStreamer's nvh264dec calls it. It decodes nothing: a
// packet ends with the Y, U and V of its picture, which is of one colour, in NV12, 320x240.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

namespace {

constexpr int kH264 = 4, k420 = 1;
constexpr int kWidth = 320, kHeight = 240;
constexpr unsigned kPitch = 512;

// The beginnings of NVIDIA's structures, by what is read or written here.
struct DecoderCaps {
  int codec, chroma_format;
  unsigned bit_depth_minus_8, reserved[3];
  uint8_t is_supported, decoders;
  uint16_t output_formats;
  unsigned max_width, max_height, max_macroblocks;
  uint16_t min_width, min_height;
};

struct VideoFormat {
  int codec;
  unsigned rate_numerator, rate_denominator;
  uint8_t progressive, luma_bits_minus_8, chroma_bits_minus_8, surfaces;
  unsigned coded_width, coded_height;
  int left, top, right, bottom;
  int chroma_format;
  unsigned bitrate;
  int aspect_x, aspect_y;
  uint8_t range, primaries, transfer, matrix;
  unsigned header_bytes;
};

struct Picture {
  int macroblocks, rows, index, is_field, is_bottom, is_second;
  unsigned bytes;
  const uint8_t* bitstream;
  std::array<uint8_t, 8192> rest;
};

struct Displayed {
  int picture, progressive, top_field_first, repeat_first_field;
  long long timestamp;
};

struct Packet {
  unsigned long flags, size;
  const uint8_t* payload;
  long long timestamp;
};

struct Parser {
  int codec;
  unsigned surfaces, clock_rate, error_threshold, display_delay, bits, reserved[4];
  void* user;
  int (*sequence)(void* user, VideoFormat* format);
  int (*decode)(void* user, Picture* picture);
  int (*display)(void* user, Displayed* displayed);
};

std::map<int, std::vector<uint8_t>> surfaces;  // by a picture's index

}  // namespace

#define RESNETFT_DOES_NOTHING(name) \
  int name();                       \
  int name() { return 0; }
extern "C" {
RESNETFT_DOES_NOTHING(cuvidCtxLockCreate)
RESNETFT_DOES_NOTHING(cuvidCtxLockDestroy)
RESNETFT_DOES_NOTHING(cuvidCtxLock)
RESNETFT_DOES_NOTHING(cuvidCtxUnlock)
RESNETFT_DOES_NOTHING(cuvidDestroyDecoder)
RESNETFT_DOES_NOTHING(cuvidUnmapVideoFrame64)

int cuvidGetDecoderCaps(DecoderCaps* caps);
int cuvidGetDecoderCaps(DecoderCaps* caps) {
  caps->is_supported = caps->codec == kH264 && caps->chroma_format == k420 && caps->bit_depth_minus_8 == 0;
  caps->min_width = caps->min_height = 16;
  caps->max_width = caps->max_height = 4096;
  return 0;
}

int cuvidCreateDecoder(void** decoder, void* info);
int cuvidCreateDecoder(void** decoder, void*) { return *decoder = &surfaces, 0; }

int cuvidDecodePicture(void* decoder, const Picture* picture);
int cuvidDecodePicture(void*, const Picture* picture) {
  std::vector<uint8_t>& surface = surfaces[picture->index];
  surface.resize(size_t{kPitch} * kHeight * 3 / 2);
  const uint8_t* yuv = picture->bitstream + picture->bytes - 3;
  const auto chroma = surface.begin() + kPitch * kHeight;
  std::fill(surface.begin(), chroma, yuv[0]);
  for (auto at = chroma; at != surface.end(); at += 2) std::copy(yuv + 1, yuv + 3, at);
  return 0;
}

int cuvidMapVideoFrame64(void* decoder, int picture, uint64_t* address, unsigned* pitch, void* parameters);
int cuvidMapVideoFrame64(void*, int picture, uint64_t* address, unsigned* pitch, void*) {
  *address = reinterpret_cast<uint64_t>(surfaces.at(picture).data());
  *pitch = kPitch;
  return 0;
}

int cuvidCreateVideoParser(Parser** parser, const Parser* parameters);
int cuvidCreateVideoParser(Parser** parser, const Parser* parameters) { return *parser = new Parser(*parameters), 0; }
int cuvidDestroyVideoParser(Parser* parser);
int cuvidDestroyVideoParser(Parser* parser) { return delete parser, 0; }

int cuvidParseVideoData(Parser* parser, const Packet* packet);
int cuvidParseVideoData(Parser* parser, const Packet* packet) {
  if (packet->size < 3) return 0;
  VideoFormat format = {};
  format.codec = kH264;
  format.rate_numerator = 30;
  format.rate_denominator = 1;
  format.progressive = 1;
  format.surfaces = 1;
  format.coded_width = kWidth;
  format.coded_height = kHeight;
  format.right = kWidth;
  format.bottom = kHeight;
  format.chroma_format = k420;
  if (parser->sequence(parser->user, &format) == 0) return 1;
  Picture picture = {};
  picture.bytes = static_cast<unsigned>(packet->size);
  picture.bitstream = packet->payload;
  if (parser->decode(parser->user, &picture) == 0) return 1;
  Displayed displayed = {0, 1, 0, 0, packet->timestamp};
  return parser->display(parser->user, &displayed) == 0;
}
}
