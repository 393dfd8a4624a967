// SPDX-License-Identifier: MIT
// VNNI's vpdpbusd adds four products of an unsigned pixel and a signed byte: each weight of 23 bits is cut into three
// signed digits to the base 256. All sums are modulo 2^32, and the true sum fits, so that the bits are the plain
// variant's.
#include "image/row_kernels.h"

#if defined(__x86_64__)
// GCC 12 takes the undefined vectors inside its own intrinsics for ours (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <algorithm>

#define RESNETFT_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

namespace resnetft {
namespace {

// Digit 0 of taps 0 to 3, then digits 1, then digits 2; the last four bytes are unused.
void store_group(const int32_t* weights, uint8_t* group) {
  for (int tap = 0; tap < kGroupTaps; ++tap) {
    int32_t rest = weights[tap];
    for (int digit = 0; digit < 3; ++digit) {
      const auto value = static_cast<int8_t>(static_cast<uint32_t>(rest) & 0xFF);
      group[digit * kGroupTaps + tap] = static_cast<uint8_t>(value);
      rest = (rest - value) >> 8;
    }
    group[3 * kGroupTaps + tap] = 0;
  }
}

RESNETFT_AVX512 inline __m512i load(const uint8_t* from) { return _mm512_loadu_si512(from); }

RESNETFT_AVX512 inline __m128i load_quarter(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

RESNETFT_AVX512 inline uint64_t first_bits(int count) {
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

// Moves R, G, B of four pixels of `step` bytes to their places in RGBx; the same in all quarters.
RESNETFT_AVX512 __m512i rgbx_shuffle(const PackedPixel& pixel, int step) {
  alignas(16) int8_t bytes[16];
  for (int i = 0; i < 16; ++i)
    bytes[i] = i % 4 == 3 ? int8_t{-1} : static_cast<int8_t>(i / 4 * step + pixel.order[i % 4]);
  return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
}

// Four pixels to each quarter, the last `16 - count` of all zero.
RESNETFT_AVX512 inline __m512i load_pixels(const uint8_t* src, int bytes, int count) {
  const __m512i quarters = _mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
  if (bytes == 1) return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(static_cast<__mmask16>(first_bits(count)), src));
  const __m512i loaded = _mm512_maskz_loadu_epi8(first_bits(count * bytes), src);
  return bytes == 4 ? loaded : _mm512_permutexvar_epi32(quarters, loaded);
}

RESNETFT_AVX512 void packed_to_rgbx(const PackedPixel& pixel, const uint8_t* src, int count, uint8_t* rgbx) {
  const __m512i shuffle = rgbx_shuffle(pixel, pixel.bytes == 3 ? 3 : 4);
  for (int i = 0; i < count; i += 16) {
    const __m512i pixels = load_pixels(src + i * pixel.bytes, pixel.bytes, std::min(16, count - i));
    _mm512_storeu_si512(rgbx + i * 4, _mm512_shuffle_epi8(pixels, shuffle));
  }
}

RESNETFT_AVX512 inline __m512i pair_of(int16_t low, int16_t high) {
  return _mm512_set1_epi32(
      static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint16_t>(high)) << 16 | static_cast<uint16_t>(low)));
}

// Within each quarter a 4x4 matrix of bytes on its side: four RGBx pixels to RRRR GGGG BBBB xxxx and back.
RESNETFT_AVX512 inline __m512i turn_quarters(__m512i bytes) {
  return _mm512_shuffle_epi8(
      bytes, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

RESNETFT_AVX512 void yuv_to_rgbx(const YuvToRgb& matrix, const uint8_t* luma, const uint8_t* chroma, int count,
                                 uint8_t* rgbx) {
  const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const __m512i y_factor = pair_of(matrix.luma, 0);
  __m512i factor[3], offset[3];
  for (int channel = 0; channel < 3; ++channel) {
    factor[channel] = pair_of(matrix.chroma[channel][0], matrix.chroma[channel][1]);
    offset[channel] = _mm512_set1_epi32(matrix.offset[channel]);
  }
  for (int i = 0; i < count; i += 16) {
    const int left = std::min(16, count - i);
    const auto luma_mask = static_cast<__mmask16>(first_bits(left));
    const auto chroma_mask = static_cast<__mmask16>(first_bits((left + 1) / 2 * 2));
    const __m512i y = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(luma_mask, luma + i));
    const __m256i pairs = _mm256_cvtepu8_epi16(_mm_maskz_loadu_epi8(chroma_mask, chroma + i));
    const __m512i uv = _mm512_permutexvar_epi32(twice, _mm512_castsi256_si512(pairs));
    const __m512i base = _mm512_madd_epi16(y, y_factor);
    __m512i rgb[3];
    for (int channel = 0; channel < 3; ++channel) {
      const __m512i sum = _mm512_dpwssd_epi32(_mm512_add_epi32(base, offset[channel]), uv, factor[channel]);
      rgb[channel] = _mm512_srai_epi32(sum, kYuvBits);
    }
    const __m512i planes = _mm512_packus_epi16(_mm512_packs_epi32(rgb[0], rgb[1]), _mm512_packs_epi32(rgb[2], rgb[2]));
    _mm512_storeu_si512(rgbx + i * 4, turn_quarters(planes));
  }
}

// One sum for each digit of the weights.
struct Sums {
  __m512i digit[3];
};

RESNETFT_AVX512 inline Sums no_sums() {
  return {{_mm512_set1_epi32(kFilterRounding), _mm512_setzero_si512(), _mm512_setzero_si512()}};
}

// `taps`: in each 32 bits the four pixels of a group; `weights`: a group in each quarter.
RESNETFT_AVX512 inline void add_group(Sums& sums, __m512i taps, __m512i weights) {
  sums.digit[0] = _mm512_dpbusd_epi32(sums.digit[0], taps, _mm512_shuffle_epi32(weights, _MM_PERM_AAAA));
  sums.digit[1] = _mm512_dpbusd_epi32(sums.digit[1], taps, _mm512_shuffle_epi32(weights, _MM_PERM_BBBB));
  sums.digit[2] = _mm512_dpbusd_epi32(sums.digit[2], taps, _mm512_shuffle_epi32(weights, _MM_PERM_CCCC));
}

RESNETFT_AVX512 inline __m512i total(const Sums& sums) {
  const __m512i high = _mm512_add_epi32(_mm512_slli_epi32(sums.digit[2], 8), sums.digit[1]);
  return _mm512_srai_epi32(_mm512_add_epi32(sums.digit[0], _mm512_slli_epi32(high, 8)), kFilterBits);
}

RESNETFT_AVX512 inline __m512i load_quarters(const uint8_t* const* src, ptrdiff_t at) {
  __m512i pixels = _mm512_castsi128_si512(load_quarter(src[0] + at));
  pixels = _mm512_inserti32x4(pixels, load_quarter(src[1] + at), 1);
  pixels = _mm512_inserti32x4(pixels, load_quarter(src[2] + at), 2);
  return _mm512_inserti32x4(pixels, load_quarter(src[3] + at), 3);
}

RESNETFT_AVX512 void filter_across(const uint8_t* rgbx, const AcrossFilter& filter, uint8_t* out) {
  const uint8_t* weights = filter.weights;
  const int32_t* first = filter.first;
  for (int block = 0; block < filter.blocks; ++block, first += kBlockOutputs, out += 16) {
    const uint8_t* src[kBlockOutputs];
    for (int i = 0; i < kBlockOutputs; ++i) src[i] = rgbx + static_cast<ptrdiff_t>(first[i]) * 4;
    Sums sums = no_sums();
    for (ptrdiff_t at = 0; at < filter.groups * ptrdiff_t{16}; at += 16, weights += kBlockOutputs * kGroupBytes)
      add_group(sums, turn_quarters(load_quarters(src, at)), load(weights));
    const __m512i positive = _mm512_max_epi32(total(sums), _mm512_setzero_si512());
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtusepi32_epi8(positive));
  }
}

RESNETFT_AVX512 void filter_down(const uint8_t* const* rows, const uint8_t* weights, int groups, int count,
                                 uint8_t* out) {
  for (ptrdiff_t begin = 0; begin < count * ptrdiff_t{4}; begin += 64) {
    Sums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
    for (int group = 0; group < groups; ++group) {
      const uint8_t* const* row = rows + group * kGroupTaps;
      const __m512i row0 = load(row[0] + begin), row1 = load(row[1] + begin);
      const __m512i row2 = load(row[2] + begin), row3 = load(row[3] + begin);
      const __m512i low01 = _mm512_unpacklo_epi8(row0, row1), high01 = _mm512_unpackhi_epi8(row0, row1);
      const __m512i low23 = _mm512_unpacklo_epi8(row2, row3), high23 = _mm512_unpackhi_epi8(row2, row3);
      const __m512i packed = _mm512_broadcast_i32x4(load_quarter(weights + static_cast<size_t>(group) * kGroupBytes));
      add_group(sums[0], _mm512_unpacklo_epi16(low01, low23), packed);
      add_group(sums[1], _mm512_unpackhi_epi16(low01, low23), packed);
      add_group(sums[2], _mm512_unpacklo_epi16(high01, high23), packed);
      add_group(sums[3], _mm512_unpackhi_epi16(high01, high23), packed);
    }
    _mm512_storeu_si512(out + begin, _mm512_packus_epi16(_mm512_packs_epi32(total(sums[0]), total(sums[1])),
                                                         _mm512_packs_epi32(total(sums[2]), total(sums[3]))));
  }
}

// So little work that what bounds it is the memory.
void halve(const uint8_t* rgbx, int pairs, uint8_t* means) { avx2_kernels()->halve(rgbx, pairs, means); }

constexpr RowKernels kKernels = {SimdLevel::Avx512, store_group, packed_to_rgbx, yuv_to_rgbx, halve,
                                 filter_across,     filter_down};

}  // namespace

const RowKernels* avx512_kernels() { return &kKernels; }

}  // namespace resnetft

#else

namespace resnetft {
const RowKernels* avx512_kernels() { return nullptr; }
}  // namespace resnetft

#endif
