// SPDX-License-Identifier: MIT
// A libcudnn.so.9 that is the host: its convolutions are the definition's, on numbers as they are stored, and it takes
// what cuDNN's documentation allows and nothing else. Works on the streams of fake_gpu.h. FAKE_CUDNN_VERSION: what it
// says of itself; FAKE_CUDNN_FUSED=0: it has no fused convolutions.
#include <cudnn.h>

#include <bit>
#include <cstdlib>
#include <vector>

#include "device/cuda/number_bits.h"
#include "tests/support/fake_gpu.h"

using resnetft::testing::FakeStream;

struct cudnnContext {
  FakeStream* stream;
};
struct cudnnTensorStruct {
  cudnnTensorFormat_t format;
  cudnnDataType_t type;
  int n, c, h, w;
};
struct cudnnFilterStruct {
  cudnnTensorFormat_t format;
  cudnnDataType_t type;
  int k, c, h, w;
};
struct cudnnConvolutionStruct {
  int pad_h, pad_w, stride_h, stride_w, groups;
  cudnnMathType_t math;
};
struct cudnnActivationStruct {
  cudnnActivationMode_t mode;
};

namespace {

constexpr size_t kWorkspace = 4096;        // what one algorithm needs
constexpr size_t kHuge = size_t{1} << 40;  // and another

float load(cudnnDataType_t type, const void* values, size_t at) {
  if (type == CUDNN_DATA_FLOAT) return static_cast<const float*>(values)[at];
  const uint16_t bits = static_cast<const uint16_t*>(values)[at];
  return type == CUDNN_DATA_HALF ? resnetft::float_of_half(bits) : resnetft::float_of_bfloat16(bits);
}

void store(cudnnDataType_t type, void* values, size_t at, float value) {
  if (type == CUDNN_DATA_FLOAT)
    static_cast<float*>(values)[at] = value;
  else
    static_cast<uint16_t*>(values)[at] =
        type == CUDNN_DATA_HALF ? resnetft::half_of(value) : resnetft::bfloat16_of(value);
}

float rounded_to_tf32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>((bits + 0xfff + ((bits >> 13) & 1)) & ~uint32_t{0x1fff});
}

std::vector<float> load_all(cudnnDataType_t type, const void* values, size_t count, bool tf32) {
  std::vector<float> loaded(count);
  for (size_t i = 0; i < count; ++i) {
    loaded[i] = load(type, values, i);
    if (tf32) loaded[i] = rounded_to_tf32(loaded[i]);
  }
  return loaded;
}

struct Convolution {
  cudnnTensorStruct x, y;
  cudnnFilterStruct w;
  cudnnConvolutionStruct convolution;
  bool relu, adds;
  const void *src, *weights, *bias, *residual;
  void* dst;

  // Sums of all outputs of one pixel; `filters` is [y, x, in, out], so that the innermost loop walks through memory.
  void add_pixel(const float* pixel, const float* filters, int group, std::vector<double>& sums) const {
    const int out = w.k / convolution.groups;
    for (int c = 0; c < w.c; ++c) {
      const double value = pixel[group * w.c + c];
      const float* filter = filters + static_cast<size_t>(c) * static_cast<size_t>(w.k) + group * out;
      double* sum = sums.data() + group * out;
      for (int k = 0; k < out; ++k) sum[k] += value * filter[k];
    }
  }

  std::vector<float> filters(bool tf32) const {
    const size_t window = static_cast<size_t>(w.h * w.w * w.c), outputs = static_cast<size_t>(w.k);
    const std::vector<float> stored = load_all(w.type, weights, outputs * window, tf32);
    std::vector<float> result(stored.size());
    for (size_t k = 0; k < outputs; ++k)
      for (size_t i = 0; i < window; ++i) result[i * outputs + k] = stored[k * window + i];
    return result;
  }

  void run() const {
    const bool tf32 = x.type == CUDNN_DATA_FLOAT && convolution.math != CUDNN_FMA_MATH;
    const std::vector<float> input =
        load_all(x.type, src, static_cast<size_t>(x.n) * static_cast<size_t>(x.h * x.w * x.c), tf32);
    const std::vector<float> filter = filters(tf32);
    const size_t tap = static_cast<size_t>(w.c) * static_cast<size_t>(w.k);
    size_t at = 0;
    for (int n = 0; n < y.n; ++n)
      for (int oy = 0; oy < y.h; ++oy)
        for (int ox = 0; ox < y.w; ++ox) {
          std::vector<double> sums(static_cast<size_t>(w.k));
          for (int ky = 0; ky < w.h; ++ky)
            for (int kx = 0; kx < w.w; ++kx) {
              const int iy = oy * convolution.stride_h - convolution.pad_h + ky;
              const int ix = ox * convolution.stride_w - convolution.pad_w + kx;
              if (iy < 0 || ix < 0 || iy >= x.h || ix >= x.w) continue;
              const float* pixel =
                  input.data() + static_cast<size_t>((n * x.h + iy) * x.w + ix) * static_cast<size_t>(x.c);
              for (int group = 0; group < convolution.groups; ++group)
                add_pixel(pixel, filter.data() + static_cast<size_t>(ky * w.w + kx) * tap, group, sums);
            }
          for (size_t k = 0; k < sums.size(); ++k, ++at) {
            double sum = sums[k] + (bias ? static_cast<double>(load(y.type, bias, k)) : 0);
            if (adds) sum += static_cast<double>(load(y.type, residual, at));
            store(y.type, dst, at, static_cast<float>(relu && sum < 0 ? 0 : sum));
          }
        }
  }
};

int reduced(int size, int kernel, int pad, int stride) { return (size + 2 * pad - kernel) / stride + 1; }

bool is_aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 256 == 0; }

bool fits(const cudnnTensorStruct& x, const cudnnFilterStruct& w, const cudnnConvolutionStruct& c,
          const cudnnTensorStruct& y) {
  return x.format == CUDNN_TENSOR_NHWC && y.format == CUDNN_TENSOR_NHWC && w.format == CUDNN_TENSOR_NHWC &&
         x.type == y.type && w.type == y.type && x.c == w.c * c.groups && y.c == w.k && y.n == x.n &&
         w.k % c.groups == 0 && y.h == reduced(x.h, w.h, c.pad_h, c.stride_h) &&
         y.w == reduced(x.w, w.w, c.pad_w, c.stride_w);
}

template <class Object>
cudnnStatus_t make(Object** object) {
  *object = new Object{};
  return CUDNN_STATUS_SUCCESS;
}

template <class Object>
cudnnStatus_t destroy(Object* object) {
  delete object;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() {
  const char* version = std::getenv("FAKE_CUDNN_VERSION");
  return version ? static_cast<size_t>(std::atoi(version)) : 91900;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED"
                                                                     : "CUDNN_STATUS_FAKE";
}
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) { return make(handle); }
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) { return destroy(handle); }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = reinterpret_cast<FakeStream*>(stream);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* tensor) { return make(tensor); }
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor) { return destroy(tensor); }
cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t tensor, cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int n, int c, int h, int w) {
  *tensor = {format, type, n, c, h, w};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* filter) { return make(filter); }
cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter) { return destroy(filter); }
cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t filter, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k, int c, int h, int w) {
  *filter = {format, type, k, c, h, w};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* convolution) { return make(convolution); }
cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t convolution) {
  return destroy(convolution);
}
cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int pad_h, int pad_w, int u,
                                              int v, int dilation_h, int dilation_w, cudnnConvolutionMode_t mode,
                                              cudnnDataType_t type) {
  *convolution = {pad_h, pad_w, u, v, 1, CUDNN_DEFAULT_MATH};
  const bool good = dilation_h == 1 && dilation_w == 1 && mode == CUDNN_CROSS_CORRELATION && type == CUDNN_DATA_FLOAT;
  return good ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t convolution, int groups) {
  convolution->groups = groups;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t convolution, cudnnMathType_t math) {
  convolution->math = math;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* activation) { return make(activation); }
cudnnStatus_t cudnnDestroyActivationDescriptor(cudnnActivationDescriptor_t activation) { return destroy(activation); }
cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t activation, cudnnActivationMode_t mode,
                                           cudnnNanPropagation_t, double) {
  activation->mode = mode;
  return CUDNN_STATUS_SUCCESS;
}

// One that gives other bits each time, one that turns floats into halfs, one that needs more memory than there is, one
// that then does not do it, and one that works.
cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                     const cudnnFilterDescriptor_t w,
                                                     const cudnnConvolutionDescriptor_t convolution,
                                                     const cudnnTensorDescriptor_t y, int wanted, int* count,
                                                     cudnnConvolutionFwdAlgoPerf_t* found) {
  if (!fits(*x, *w, *convolution, *y) || wanted < 5) return CUDNN_STATUS_BAD_PARAM;
  const auto one = [&](cudnnConvolutionFwdAlgo_t algorithm, cudnnDeterminism_t determinism, cudnnMathType_t math) {
    found[(*count)++] = {algorithm, CUDNN_STATUS_SUCCESS, 1, 0, determinism, math, {}};
  };
  *count = 0;
  one(CUDNN_CONVOLUTION_FWD_ALGO_GEMM, CUDNN_NON_DETERMINISTIC, convolution->math);
  one(CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, CUDNN_DETERMINISTIC, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION);
  one(CUDNN_CONVOLUTION_FWD_ALGO_FFT, CUDNN_DETERMINISTIC, convolution->math);
  one(CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED, CUDNN_DETERMINISTIC, convolution->math);
  one(CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, CUDNN_DETERMINISTIC, CUDNN_TENSOR_OP_MATH);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                      const cudnnFilterDescriptor_t w,
                                                      const cudnnConvolutionDescriptor_t convolution,
                                                      const cudnnTensorDescriptor_t y,
                                                      cudnnConvolutionFwdAlgo_t algorithm, size_t* bytes) {
  *bytes = algorithm == CUDNN_CONVOLUTION_FWD_ALGO_FFT ? kHuge : kWorkspace;
  return fits(*x, *w, *convolution, *y) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t x,
                                      const void* src, const cudnnFilterDescriptor_t w, const void* weights,
                                      const cudnnConvolutionDescriptor_t convolution,
                                      cudnnConvolutionFwdAlgo_t algorithm, void* workspace, size_t workspace_bytes,
                                      const void* beta, const cudnnTensorDescriptor_t y, void* dst) {
  const bool whole = fits(*x, *w, *convolution, *y) && is_aligned(src) && is_aligned(weights) && is_aligned(dst);
  if (!whole || *static_cast<const float*>(alpha) != 1 || *static_cast<const float*>(beta) != 0 || !workspace ||
      workspace_bytes < kWorkspace)
    return CUDNN_STATUS_BAD_PARAM;
  if (algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM &&
      algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM)
    return CUDNN_STATUS_NOT_SUPPORTED;
  const Convolution work = {*x, *y, *w, *convolution, false, false, src, weights, nullptr, nullptr, dst};
  handle->stream->queue([work] { work.run(); });
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnConvolutionBiasActivationForward(
    cudnnHandle_t handle, const void* alpha1, const cudnnTensorDescriptor_t x, const void* src,
    const cudnnFilterDescriptor_t w, const void* weights, const cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionFwdAlgo_t algorithm, void* workspace, size_t workspace_bytes, const void* alpha2,
    const cudnnTensorDescriptor_t z, const void* residual, const cudnnTensorDescriptor_t b, const void* bias,
    const cudnnActivationDescriptor_t activation, const cudnnTensorDescriptor_t y, void* dst) {
  const float share = *static_cast<const float*>(alpha2);
  const bool whole = fits(*x, *w, *convolution, *y) && z->n == y->n && z->c == y->c && z->h == y->h && z->w == y->w &&
                     z->type == y->type && b->type == y->type && b->n == 1 && b->c == y->c && b->h == 1 && b->w == 1;
  const bool aligned =
      is_aligned(src) && is_aligned(weights) && is_aligned(bias) && is_aligned(residual) && is_aligned(dst);
  if (!whole || !aligned || !residual || *static_cast<const float*>(alpha1) != 1 || (share != 0 && share != 1))
    return CUDNN_STATUS_BAD_PARAM;
  if (!workspace || workspace_bytes < kWorkspace) return CUDNN_STATUS_BAD_PARAM;
  if (algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM &&
      algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM)
    return CUDNN_STATUS_NOT_SUPPORTED;
  if (const char* fused = std::getenv("FAKE_CUDNN_FUSED"); fused && *fused == '0') return CUDNN_STATUS_NOT_SUPPORTED;
  if (activation->mode == CUDNN_ACTIVATION_IDENTITY && algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM)
    return CUDNN_STATUS_NOT_SUPPORTED;
  const Convolution work = {*x,         *y,  *w,      *convolution, activation->mode == CUDNN_ACTIVATION_RELU,
                            share == 1, src, weights, bias,         residual,
                            dst};
  handle->stream->queue([work] { work.run(); });
  return CUDNN_STATUS_SUCCESS;
}
}
