// SPDX-License-Identifier: MIT
// Weights of 23 bits and pixels of 8 meet in vpmaddwd, which adds two 16-bit products: each weight is cut into
// high * 2^15 + low. All sums are modulo 2^32, and the true sum fits, so that the bits are the plain variant's.
#include "image/row_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#define RESNETFT_AVX2 __attribute__((target("avx2")))

namespace resnetft {
namespace {

constexpr int kLowBits = 15;

// As 16-bit numbers: low 0, 1, 2, 3, high 0, 1, 2, 3.
void store_group(const int32_t* weights, uint8_t* group) {
  int16_t parts[2 * kGroupTaps];
  for (int tap = 0; tap < kGroupTaps; ++tap) {
    parts[tap] = static_cast<int16_t>(weights[tap] & ((1 << kLowBits) - 1));
    parts[kGroupTaps + tap] = static_cast<int16_t>(weights[tap] >> kLowBits);
  }
  std::memcpy(group, parts, kGroupBytes);
}

RESNETFT_AVX2 __m256i load(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

RESNETFT_AVX2 __m128i load_half(const uint8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

RESNETFT_AVX2 __m256i load_halves(const uint8_t* low, const uint8_t* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(low)), load_half(high), 1);
}

RESNETFT_AVX2 void store(uint8_t* to, __m256i value) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value); }

// Moves R, G, B of four pixels of `step` bytes to their places in RGBx; the same in both halves.
RESNETFT_AVX2 __m256i rgbx_shuffle(const PackedPixel& pixel, int step) {
  alignas(16) int8_t bytes[16];
  for (int i = 0; i < 16; ++i)
    bytes[i] = i % 4 == 3 ? int8_t{-1} : static_cast<int8_t>(i / 4 * step + pixel.order[i % 4]);
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
}

RESNETFT_AVX2 __m256i load_eight(const uint8_t* src, int bytes) {
  if (bytes == 4) return load(src);
  if (bytes == 3) return load_halves(src, src + 12);
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(src)));
}

RESNETFT_AVX2 void packed_to_rgbx(const PackedPixel& pixel, const uint8_t* src, int count, uint8_t* rgbx) {
  const __m256i shuffle = rgbx_shuffle(pixel, pixel.bytes == 3 ? 3 : 4);
  // Eight pixels of three bytes are read as 28, four of them of the pixels behind.
  const int read_ahead = pixel.bytes == 3 ? 10 : 8;
  int i = 0;
  for (; i + read_ahead <= count; i += 8)
    store(rgbx + i * 4, _mm256_shuffle_epi8(load_eight(src + i * pixel.bytes, pixel.bytes), shuffle));
  kPlainKernels.packed_to_rgbx(pixel, src + i * pixel.bytes, count - i, rgbx + i * 4);
}

RESNETFT_AVX2 __m256i pair_of(int16_t low, int16_t high) {
  return _mm256_set1_epi32(
      static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint16_t>(high)) << 16 | static_cast<uint16_t>(low)));
}

// R, G, B as 32-bit numbers, eight each, to RGBx.
RESNETFT_AVX2 __m256i interleave(__m256i red, __m256i green, __m256i blue) {
  const __m256i words0 = _mm256_packs_epi32(red, green), words1 = _mm256_packs_epi32(blue, blue);
  const __m256i order =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  return _mm256_shuffle_epi8(_mm256_packus_epi16(words0, words1), order);
}

RESNETFT_AVX2 void yuv_to_rgbx(const YuvToRgb& matrix, const uint8_t* luma, const uint8_t* chroma, int count,
                               uint8_t* rgbx) {
  const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3), y_factor = pair_of(matrix.luma, 0);
  __m256i factor[3], offset[3];
  for (int channel = 0; channel < 3; ++channel) {
    factor[channel] = pair_of(matrix.chroma[channel][0], matrix.chroma[channel][1]);
    offset[channel] = _mm256_set1_epi32(matrix.offset[channel]);
  }
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i y = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(luma + i)));
    const __m128i pairs = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(chroma + i)));
    const __m256i uv = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(pairs), twice);
    const __m256i base = _mm256_madd_epi16(y, y_factor);
    __m256i rgb[3];
    for (int channel = 0; channel < 3; ++channel) {
      const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(uv, factor[channel]), offset[channel]);
      rgb[channel] = _mm256_srai_epi32(_mm256_add_epi32(base, sum), kYuvBits);
    }
    store(rgbx + i * 4, interleave(rgb[0], rgb[1], rgb[2]));
  }
  kPlainKernels.yuv_to_rgbx(matrix, luma + i, chroma + i, count - i, rgbx + i * 4);
}

RESNETFT_AVX2 void halve(const uint8_t* rgbx, int pairs, uint8_t* means) {
  const __m256i one = _mm256_set1_epi8(1);
  int i = 0;
  for (; i + 8 <= pairs; i += 8) {
    const __m256 low = _mm256_castsi256_ps(load(rgbx + i * 8)), high = _mm256_castsi256_ps(load(rgbx + i * 8 + 32));
    const __m256i even = _mm256_castps_si256(_mm256_shuffle_ps(low, high, 0x88));
    const __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(low, high, 0xDD));
    const __m256i rounded_up = _mm256_and_si256(_mm256_xor_si256(even, odd), one);
    const __m256i mean = _mm256_sub_epi8(_mm256_avg_epu8(even, odd), rounded_up);
    store(means + i * 4, _mm256_permute4x64_epi64(mean, 0xD8));
  }
  kPlainKernels.halve(rgbx + i * 8, pairs - i, means + i * 4);
}

// The sums of the low and of the high parts.
struct Sums {
  __m256i low, high;
};

// `first` and `second`: 16-bit pairs of taps 0, 1 and 2, 3; `weights`: one group for each half.
RESNETFT_AVX2 inline void add_group(Sums& sums, __m256i first, __m256i second, __m256i weights) {
  const __m256i low = _mm256_add_epi32(_mm256_madd_epi16(first, _mm256_shuffle_epi32(weights, 0x00)),
                                       _mm256_madd_epi16(second, _mm256_shuffle_epi32(weights, 0x55)));
  const __m256i high = _mm256_add_epi32(_mm256_madd_epi16(first, _mm256_shuffle_epi32(weights, 0xAA)),
                                        _mm256_madd_epi16(second, _mm256_shuffle_epi32(weights, 0xFF)));
  sums.low = _mm256_add_epi32(sums.low, low);
  sums.high = _mm256_add_epi32(sums.high, high);
}

RESNETFT_AVX2 inline Sums no_sums() { return {_mm256_set1_epi32(kFilterRounding), _mm256_setzero_si256()}; }

RESNETFT_AVX2 inline __m256i total(const Sums& sums) {
  return _mm256_srai_epi32(_mm256_add_epi32(sums.low, _mm256_slli_epi32(sums.high, kLowBits)), kFilterBits);
}

// Four RGBx pixels in each half to pairs of taps, 0, 1 or 2, 3 of each channel, as 16-bit numbers.
RESNETFT_AVX2 inline __m256i tap_pairs(__m256i pixels, int first_tap) {
  const __m128i order = _mm_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1);
  const __m128i shift = _mm_setr_epi8(8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0);
  return _mm256_shuffle_epi8(pixels, _mm256_broadcastsi128_si256(first_tap == 0 ? order : _mm_add_epi8(order, shift)));
}

RESNETFT_AVX2 void filter_across(const uint8_t* rgbx, const AcrossFilter& filter, uint8_t* out) {
  const uint8_t* weights = filter.weights;
  const int32_t* first = filter.first;
  for (int block = 0; block < filter.blocks; ++block, first += kBlockOutputs, out += 16) {
    const uint8_t* src[kBlockOutputs];
    for (int i = 0; i < kBlockOutputs; ++i) src[i] = rgbx + static_cast<ptrdiff_t>(first[i]) * 4;
    Sums sums01 = no_sums(), sums23 = no_sums();
    for (ptrdiff_t at = 0; at < filter.groups * ptrdiff_t{16}; at += 16, weights += kBlockOutputs * kGroupBytes) {
      const __m256i pixels01 = load_halves(src[0] + at, src[1] + at), pixels23 = load_halves(src[2] + at, src[3] + at);
      add_group(sums01, tap_pairs(pixels01, 0), tap_pairs(pixels01, 2), load(weights));
      add_group(sums23, tap_pairs(pixels23, 0), tap_pairs(pixels23, 2), load(weights + 2 * kGroupBytes));
    }
    const __m256i words = _mm256_packs_epi32(total(sums01), total(sums23));
    const __m256i bytes = _mm256_packus_epi16(words, words);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
  }
}

// Quarter `part` of each half of two rows, as pairs of 16-bit numbers.
RESNETFT_AVX2 inline __m256i row_pairs(__m256i row0, __m256i row1, int part) {
  const __m256i pairs = part < 2 ? _mm256_unpacklo_epi8(row0, row1) : _mm256_unpackhi_epi8(row0, row1);
  const __m256i zero = _mm256_setzero_si256();
  return part % 2 == 0 ? _mm256_unpacklo_epi8(pairs, zero) : _mm256_unpackhi_epi8(pairs, zero);
}

RESNETFT_AVX2 void filter_down(const uint8_t* const* rows, const uint8_t* weights, int groups, int count,
                               uint8_t* out) {
  for (ptrdiff_t begin = 0; begin < count * ptrdiff_t{4}; begin += 32) {
    Sums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
    for (int group = 0; group < groups; ++group) {
      const uint8_t* const* row = rows + group * kGroupTaps;
      const __m256i row0 = load(row[0] + begin), row1 = load(row[1] + begin);
      const __m256i row2 = load(row[2] + begin), row3 = load(row[3] + begin);
      const uint8_t* at = weights + static_cast<size_t>(group) * kGroupBytes;
      const __m256i packed = load_halves(at, at);
      for (int part = 0; part < 4; ++part)
        add_group(sums[part], row_pairs(row0, row1, part), row_pairs(row2, row3, part), packed);
    }
    store(out + begin, _mm256_packus_epi16(_mm256_packs_epi32(total(sums[0]), total(sums[1])),
                                           _mm256_packs_epi32(total(sums[2]), total(sums[3]))));
  }
}

constexpr RowKernels kKernels = {SimdLevel::Avx2, store_group,   packed_to_rgbx, yuv_to_rgbx,
                                 halve,           filter_across, filter_down};

}  // namespace

const RowKernels* avx2_kernels() { return &kKernels; }

}  // namespace resnetft

#else

namespace resnetft {
const RowKernels* avx2_kernels() { return nullptr; }
}  // namespace resnetft

#endif
