// SPDX-License-Identifier: MIT
// A libcudnn.so.9 that is the host: convolutions by their definition, on numbers as they are stored, of the one form of
// graph that the engine asks for. Works on the streams of fake_gpu.h. FAKE_CUDNN_VERSION: what it says of itself;
// FAKE_CUDNN_FUSED=0: it has no fused convolutions, =slow: they take longer than what they replace; FAKE_CUDNN_BF16=0:
// it has none in bfloat16. fake_cudnn_objects(): how many handles and descriptors live.
#include <cudnn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>
#include <vector>

#include "device/cuda/number_bits.h"
#include "tests/support/fake_gpu.h"

using resnetft::testing::FakeStream;

struct cudnnContext {
  FakeStream* stream;
};

namespace {

std::atomic<int> objects = 0;

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  int engine = -1;  // of an engine, its configuration, its plan
  const Descriptor* graph = nullptr;
  std::map<cudnnBackendAttributeName_t, std::vector<uint8_t>> attributes;

  template <class Value>
  std::vector<Value> all(cudnnBackendAttributeName_t name) const {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return {};
    std::vector<Value> values(found->second.size() / sizeof(Value));
    std::memcpy(values.data(), found->second.data(), values.size() * sizeof(Value));
    return values;
  }
  template <class Value>
  Value one(cudnnBackendAttributeName_t name) const {
    const std::vector<Value> values = all<Value>(name);
    return values.size() == 1 ? values.front() : Value{};
  }
  const Descriptor* other(cudnnBackendAttributeName_t name) const { return one<const Descriptor*>(name); }
};

Descriptor& of(cudnnBackendDescriptor_t descriptor) { return *static_cast<Descriptor*>(descriptor); }

// How this cuDNN does convolutions. Those that may not be used are the fastest, and write nothing.
struct Engine {
  std::vector<cudnnBackendNumericalNote_t> notes;
  bool works = true;
  int64_t workspace = 4096;
  cudnnStatus_t planned = CUDNN_STATUS_SUCCESS, executed = CUDNN_STATUS_SUCCESS;
};
const std::array kEngines = {
    Engine{{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, false},
    Engine{{CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, false},
    Engine{{CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}, false},
    Engine{{}, true, int64_t{1} << 40},
    Engine{{}, true, 0, CUDNN_STATUS_NOT_SUPPORTED_SHAPE},
    Engine{{}, true, 0, CUDNN_STATUS_SUCCESS, CUDNN_STATUS_EXECUTION_FAILED},
    Engine{{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}},
    Engine{{}},  // the only one of CUDNN_HEUR_MODE_FALLBACK
};

bool says(const char* variable, std::string_view value) {
  const char* said = std::getenv(variable);
  return said && said == value;
}

size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}

struct Tensor {
  cudnnDataType_t type;
  int64_t n, c, h, w, id;
  bool is_virtual, good;

  explicit Tensor(const Descriptor* descriptor) {
    const std::vector<int64_t> sizes = descriptor->all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
    const std::vector<int64_t> strides = descriptor->all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
    type = descriptor->one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
    id = descriptor->one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    is_virtual = descriptor->one<uint8_t>(CUDNN_ATTR_TENSOR_IS_VIRTUAL) != 0;
    n = sizes.at(0), c = sizes.at(1), h = sizes.at(2), w = sizes.at(3);
    good = descriptor->finalized && descriptor->one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT) == 256 &&
           strides == std::vector<int64_t>{c * h * w, 1, c * w, c};
  }
  bool has_sizes_of(const Tensor& other) const {
    return n == other.n && c == other.c && h == other.h && w == other.w && good && other.good;
  }
};

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

std::vector<float> load_all(cudnnDataType_t type, const void* values, int64_t count, bool tf32) {
  std::vector<float> loaded(static_cast<size_t>(count));
  for (size_t i = 0; i < loaded.size(); ++i) {
    loaded[i] = load(type, values, i);
    if (tf32) loaded[i] = rounded_to_tf32(loaded[i]);
  }
  return loaded;
}

struct Convolution {
  Tensor x, w, y;
  int64_t padding, stride;
  int64_t bias_id = 0, residual_id = 0;
  bool relu = false;
  const void *src = nullptr, *weights = nullptr, *bias = nullptr, *residual = nullptr;
  void* dst = nullptr;

  int64_t groups() const { return x.c / w.c; }

  // Sums of all outputs of one pixel; `filters` is [y, x, in, out], so that the innermost loop walks through memory.
  void add_pixel(const float* pixel, const float* filters, int64_t group, std::vector<double>& sums) const {
    const int64_t out = w.n / groups();
    for (int64_t c = 0; c < w.c; ++c) {
      const double value = pixel[group * w.c + c];
      const float* filter = filters + c * w.n + group * out;
      double* sum = sums.data() + group * out;
      for (int64_t k = 0; k < out; ++k) sum[k] += value * filter[k];
    }
  }

  std::vector<float> filters(bool tf32) const {
    const size_t window = static_cast<size_t>(w.h * w.w * w.c), outputs = static_cast<size_t>(w.n);
    const std::vector<float> stored = load_all(w.type, weights, w.n * w.h * w.w * w.c, tf32);
    std::vector<float> result(stored.size());
    for (size_t k = 0; k < outputs; ++k)
      for (size_t i = 0; i < window; ++i) result[i * outputs + k] = stored[k * window + i];
    return result;
  }

  void run(bool tf32) const {
    const std::vector<float> input = load_all(x.type, src, x.n * x.h * x.w * x.c, tf32);
    const std::vector<float> filter = filters(tf32);
    const int64_t tap = w.c * w.n;
    size_t at = 0;
    for (int64_t n = 0; n < y.n; ++n)
      for (int64_t oy = 0; oy < y.h; ++oy)
        for (int64_t ox = 0; ox < y.w; ++ox) {
          std::vector<double> sums(static_cast<size_t>(w.n));
          for (int64_t ky = 0; ky < w.h; ++ky)
            for (int64_t kx = 0; kx < w.w; ++kx) {
              const int64_t iy = oy * stride - padding + ky, ix = ox * stride - padding + kx;
              if (iy < 0 || ix < 0 || iy >= x.h || ix >= x.w) continue;
              const float* pixel = input.data() + ((n * x.h + iy) * x.w + ix) * x.c;
              for (int64_t group = 0; group < groups(); ++group)
                add_pixel(pixel, filter.data() + (ky * w.w + kx) * tap, group, sums);
            }
          for (size_t k = 0; k < sums.size(); ++k, ++at) {
            double sum = sums[k];
            if (residual) sum += static_cast<double>(load(y.type, residual, at));
            if (bias) sum += static_cast<double>(load(y.type, bias, k));
            store(y.type, dst, at, static_cast<float>(relu && sum < 0 ? 0 : sum));
          }
        }
  }
};

using Operations = std::vector<const Descriptor*>;
Operations operations_of(const Descriptor& graph) {
  return graph.all<const Descriptor*>(CUDNN_ATTR_OPERATIONGRAPH_OPS);
}

bool is_whole(const Convolution& work, const Descriptor& convolution) {
  const auto both = [&](cudnnBackendAttributeName_t name, int64_t value) {
    return convolution.all<int64_t>(name) == std::vector<int64_t>{value, value};
  };
  const auto reduced = [&](int64_t size, int64_t kernel) {
    return (size + 2 * work.padding - kernel) / work.stride + 1;
  };
  const Tensor &x = work.x, &w = work.w, &y = work.y;
  return both(CUDNN_ATTR_CONVOLUTION_DILATIONS, 1) && both(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, work.padding) &&
         both(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, work.padding) &&
         both(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, work.stride) &&
         convolution.one<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 2 &&
         convolution.one<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT &&
         convolution.one<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION &&
         x.good && w.good && y.good && w.type == x.type && y.n == x.n && y.c == w.n && x.c % w.c == 0 &&
         w.n % work.groups() == 0 && y.h == reduced(x.h, w.h) && y.w == reduced(x.w, w.w);
}

cudnnPointwiseMode_t mode_of(const Descriptor& operation) {
  return operation.other(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)
      ->one<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
}

// Takes what follows the convolution: plus a residual, plus a bias, ReLU, in that order, floats between them.
bool add_rest(Convolution& work, const Operations& operations) {
  for (size_t i = 1; i < operations.size(); ++i) {
    const Descriptor& operation = *operations[i];
    const Descriptor* what = operation.other(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    const Descriptor* second = operation.other(CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
    const Tensor from(operation.other(CUDNN_ATTR_OPERATION_POINTWISE_XDESC));
    const Tensor to(operation.other(CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
    if (!from.is_virtual || from.id != work.y.id || from.type != CUDNN_DATA_FLOAT || !to.has_sizes_of(from) ||
        work.relu)
      return false;
    if (what->one<cudnnDataType_t>(CUDNN_ATTR_POINTWISE_MATH_PREC) != CUDNN_DATA_FLOAT) return false;
    if (mode_of(operation) == CUDNN_POINTWISE_RELU_FWD) {
      if (second || !work.bias_id) return false;
      work.relu = true;
    } else {
      const Tensor added(second);
      if (added.type != work.x.type || added.is_virtual || !added.good || work.bias_id) return false;
      const bool is_bias = i + 1 == operations.size() || mode_of(*operations[i + 1]) == CUDNN_POINTWISE_RELU_FWD;
      const bool is_row = added.n == 1 && added.c == to.c && added.h == 1 && added.w == 1;
      if (is_bias ? !is_row : !added.has_sizes_of(to) || work.residual_id) return false;
      (is_bias ? work.bias_id : work.residual_id) = added.id;
    }
    work.y = to;
  }
  return !work.y.is_virtual && work.y.type == work.x.type;
}

// What a graph asks for; false where it is none of the engine's.
bool read(const Descriptor& graph, std::vector<Convolution>& result) {
  const Operations operations = operations_of(graph);
  if (operations.empty()) return false;
  const Descriptor& first = *operations.front();
  const Descriptor* convolution = first.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
  const std::vector<int64_t> padding = convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const std::vector<int64_t> stride = convolution->all<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  Convolution work = {.x = Tensor(first.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X)),
                      .w = Tensor(first.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W)),
                      .y = Tensor(first.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y)),
                      .padding = padding.at(0),
                      .stride = stride.at(0)};
  if (first.one<float>(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA) != 1 || !is_whole(work, *convolution) ||
      !add_rest(work, operations))
    return false;
  result.push_back(work);
  return true;
}

// Finds the tensors' addresses; false where one is missing, too many are there, or one is not aligned as was said.
bool find_addresses(const Descriptor& variables, Convolution& work) {
  const std::vector<int64_t> ids = variables.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const std::vector<void*> pointers = variables.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<int64_t, void*> found;
  for (size_t i = 0; i < ids.size() && i < pointers.size(); ++i) {
    if (!pointers[i] || reinterpret_cast<uintptr_t>(pointers[i]) % 256 != 0) return false;
    found[ids[i]] = pointers[i];
  }
  work.src = found[work.x.id];
  work.weights = found[work.w.id];
  work.dst = found[work.y.id];
  if (work.bias_id) work.bias = found[work.bias_id];
  if (work.residual_id) work.residual = found[work.residual_id];
  const size_t tensors = 3 + (work.bias_id ? 1 : 0) + (work.residual_id ? 1 : 0);
  const bool all_there =
      work.src && work.weights && work.dst && (work.bias || !work.bias_id) && (work.residual || !work.residual_id);
  return all_there && found.size() == tensors && ids.size() == tensors && pointers.size() == tensors;
}

// The engines that a heuristic names.
std::vector<int> named(const Descriptor& heuristics) {
  const Descriptor* graph = heuristics.other(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  std::vector<Convolution> work;
  if (!read(*graph, work)) return {};
  if (operations_of(*graph).size() > 1 && says("FAKE_CUDNN_FUSED", "0")) return {};
  if (work.front().x.type == CUDNN_DATA_BFLOAT16 && says("FAKE_CUDNN_BF16", "0")) return {};
  const auto mode = heuristics.one<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE);
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {static_cast<int>(kEngines.size()) - 1};
  std::vector<int> all;
  for (int i = 0; i + 1 < static_cast<int>(kEngines.size()); ++i) all.push_back(i);
  return all;
}

template <class Value>
void give(const std::vector<Value>& values, int64_t wanted, int64_t* count, void* target) {
  *count = static_cast<int64_t>(values.size());
  if (wanted > 0) *count = std::min(*count, wanted);
  if (wanted > 0) std::copy_n(values.begin(), *count, static_cast<Value*>(target));
}

}  // namespace

extern "C" {

int fake_cudnn_objects() { return objects; }

size_t cudnnGetVersion() {
  const char* version = std::getenv("FAKE_CUDNN_VERSION");
  return version ? static_cast<size_t>(std::atoi(version)) : 91900;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED"
                                                                     : "CUDNN_STATUS_FAKE";
}
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  ++objects;
  *handle = new cudnnContext{};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  --objects;
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = reinterpret_cast<FakeStream*>(stream);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  ++objects;
  *descriptor = new Descriptor{.type = type, .attributes = {}};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  --objects;
  delete &of(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  Descriptor& target = of(descriptor);
  if (target.finalized) return CUDNN_STATUS_BAD_PARAM;
  const auto* bytes = static_cast<const uint8_t*>(values);
  target.attributes[name].assign(bytes, bytes + static_cast<size_t>(count) * size_of(type));
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (const Descriptor* other : target.all<const Descriptor*>(name))
      if (!other || !other->finalized) return CUDNN_STATUS_BAD_PARAM;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  Descriptor& made = of(descriptor);
  if (made.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    const Descriptor* configuration = made.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (!configuration || !made.one<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE)) return CUDNN_STATUS_BAD_PARAM;
    made.engine = configuration->engine;
    made.graph = configuration->graph;
    if (kEngines.at(static_cast<size_t>(made.engine)).planned != CUDNN_STATUS_SUCCESS)
      return kEngines.at(static_cast<size_t>(made.engine)).planned;
  }
  if (made.type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) {
    std::vector<Convolution> work;
    if (!made.one<cudnnHandle_t>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE) || !read(made, work)) return CUDNN_STATUS_BAD_PARAM;
  }
  made.finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t wanted, int64_t* count, void* values) {
  const Descriptor& asked = of(descriptor);
  if (!asked.finalized) return CUDNN_STATUS_BAD_PARAM;
  auto** targets = static_cast<Descriptor**>(values);
  const auto fill = [&](int at, int engine, const Descriptor* graph) {
    targets[at]->engine = engine;
    targets[at]->graph = graph;
    targets[at]->finalized = true;
  };
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
    const std::vector<int> engines = named(asked);
    *count = static_cast<int64_t>(engines.size());
    for (int i = 0; i < wanted && i < static_cast<int>(engines.size()); ++i)
      fill(i, engines[static_cast<size_t>(i)], asked.other(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH));
  } else if (name == CUDNN_ATTR_ENGINECFG_ENGINE && wanted == 1) {
    *count = 1;
    fill(0, asked.engine, asked.graph);
  } else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE) {
    give(kEngines.at(static_cast<size_t>(asked.engine)).notes, wanted, count, values);
  } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
    give(std::vector<int64_t>{kEngines.at(static_cast<size_t>(asked.engine)).workspace}, wanted, count, values);
  } else {
    return CUDNN_STATUS_BAD_PARAM;
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t variables) {
  if (!of(plan).finalized || !of(variables).finalized) return CUDNN_STATUS_BAD_PARAM;
  const Engine& engine = kEngines.at(static_cast<size_t>(of(plan).engine));
  std::vector<Convolution> work;
  if (!read(*of(plan).graph, work) || !find_addresses(of(variables), work.front())) return CUDNN_STATUS_BAD_PARAM;
  if (engine.workspace > 0 && !of(variables).one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE))
    return CUDNN_STATUS_BAD_PARAM;
  if (engine.executed != CUDNN_STATUS_SUCCESS) return engine.executed;
  const bool tf32 = work.front().x.type == CUDNN_DATA_FLOAT && !engine.notes.empty();
  const bool slow = work.front().bias_id && says("FAKE_CUDNN_FUSED", "slow");
  if (engine.works)
    handle->stream->queue({[convolution = work.front(), tf32] { convolution.run(tf32); }, slow ? 3.0f : 1.0f});
  else
    handle->stream->queue({[] {}, 0.1f});
  return CUDNN_STATUS_SUCCESS;
}
}
