// SPDX-License-Identifier: MIT
// Candidates run alone, on one thread and at batch 1, and are timed by the CPU time of that thread: what else the
// machine does, the caller's thread count and its batch change nothing.
//
// Implementations of other bits, and blocked formats, were tried and left out: which of them wins is a matter of a few
// percent, so that two processes chose differently, and ft-tool and a pipeline would give other logits.
#include "infer/onednn/choice.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <random>
#include <tuple>

#include "device/thread_budget.h"

namespace resnetft::onednn {
namespace {

using dnnl::memory;

constexpr size_t kCandidates = 2;  // of each convolution: a third never won
// Pictures of like sizes choose alike: sides are rounded up to a multiple of the step, and cut.
constexpr int kSideStep = 32;
constexpr int kLargestSide = 224;
constexpr int kRounds = 3;
constexpr double kBudgetSeconds = 0.8;  // no further round begins after that; the first always ends

double thread_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

bool is_convolution(const Layer& layer) {
  return layer.kind == LayerKind::Convolution || layer.kind == LayerKind::OptionAShortcut;
}

// Layers of one shape take the same time.
using Shape = std::tuple<Extent, Extent, int, int, int, int, bool, bool>;
Shape shape_of(const Layer& layer) {
  return {layer.src_extent, layer.dst_extent, layer.kernel, layer.stride,
          layer.padding,    layer.groups,     layer.relu,   layer.residual >= 0};
}

memory filled(const memory::desc& desc, const dnnl::engine& engine, unsigned seed) {
  memory values(desc, engine);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
  float* const data = static_cast<float*>(values.get_data_handle());
  std::generate_n(data, desc.get_size() / sizeof(float), [&] { return uniform(random); });
  return values;
}

memory reordered(memory& source, const memory::desc& desc, dnnl::stream& stream) {
  memory result(desc, stream.get_engine());
  std::memset(result.get_data_handle(), 0, desc.get_size());
  dnnl::reorder(source, result).execute(stream, source, result);
  stream.wait();
  return result;
}

memory::desc plain(const Extent& extent) {
  return {{1, extent.channels, extent.height, extent.width}, memory::data_type::f32, memory::format_tag::nchw};
}

// The same numbers for all candidates of one convolution.
struct Operands {
  memory src, weights, bias, dst;
  Operands(const Layer& layer, const dnnl::engine& engine)
      : src(filled(plain(layer.src_extent), engine, 1)),
        weights(filled(plain_weights_desc(layer), engine, 2)),
        bias(filled({{layer.dst_extent.channels}, memory::data_type::f32, memory::format_tag::x}, engine, 3)),
        dst(filled(plain(layer.dst_extent), engine, 4)) {}
};

class Candidate {
 public:
  Candidate(const ConvolutionDesc& desc, Operands& operands, dnnl::stream& stream)
      : name_(desc.impl_info_str()),
        primitive_(desc),
        dst_(reordered(operands.dst, desc.dst_desc(), stream)),
        arguments_{{DNNL_ARG_SRC, reordered(operands.src, desc.src_desc(), stream)},
                   {DNNL_ARG_WEIGHTS, reordered(operands.weights, desc.weights_desc(), stream)},
                   {DNNL_ARG_BIAS, operands.bias},
                   {DNNL_ARG_DST, dst_},
                   {DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), stream.get_engine())}} {}

  // The first run's result, plain; a residual sum makes every further one another.
  std::vector<float> result(const Layer& layer, dnnl::stream& stream) {
    run(stream);
    const memory values = reordered(dst_, plain(layer.dst_extent), stream);
    const float* const data = static_cast<const float*>(values.get_data_handle());
    return {data, data + values.get_desc().get_size() / sizeof(float)};
  }

  void time(dnnl::stream& stream) {
    const double start = thread_seconds();
    run(stream);
    const double seconds = thread_seconds() - start;
    seconds_ = seconds_ == 0 ? seconds : std::min(seconds_, seconds);
  }

  const std::string& name() const { return name_; }
  double seconds() const { return seconds_; }

 private:
  void run(dnnl::stream& stream) {
    primitive_.execute(stream, arguments_);
    stream.wait();
  }

  std::string name_;
  dnnl::convolution_forward primitive_;
  memory dst_;
  std::unordered_map<int, memory> arguments_;
  double seconds_ = 0;
};

// The fastest implementation that computes a convolution as oneDNN's favourite does; empty: there is none.
std::string hold_contest(const Layer& layer, const Target& target, dnnl::stream& stream, double deadline) {
  Operands operands(layer, target.engine);
  std::vector<Candidate> candidates;
  std::vector<float> favourite;
  size_t seen = 0;
  visit_implementations(target, layer, 1, nullptr, [&](const ConvolutionDesc& desc) {
    Candidate candidate(desc, operands, stream);
    std::vector<float> result = candidate.result(layer, stream);
    if (favourite.empty()) favourite = result;
    if (result == favourite) candidates.push_back(std::move(candidate));
    return ++seen < kCandidates;
  });
  if (candidates.empty()) return "";
  if (candidates.size() > 1)
    for (int round = 0; round < kRounds && (round == 0 || thread_seconds() < deadline); ++round)
      for (Candidate& candidate : candidates) candidate.time(stream);
  const auto faster = [](const Candidate& a, const Candidate& b) { return a.seconds() < b.seconds(); };
  return std::min_element(candidates.begin(), candidates.end(), faster)->name();
}

Implementations hold_contests(const Network& network, const Target& target) {
  ThreadBudget(1).apply();
  const double deadline = thread_seconds() + kBudgetSeconds;
  dnnl::stream stream(target.engine);
  std::map<Shape, std::string> winners;
  Implementations result(network.layers.size());
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    if (!is_convolution(layer)) continue;
    const auto [entry, is_new] = winners.try_emplace(shape_of(layer));
    if (is_new) entry->second = hold_contest(layer, target, stream, deadline);
    result[i] = entry->second;
  }
  return result;
}

int size_class(int side) { return std::min((side + kSideStep - 1) / kSideStep * kSideStep, kLargestSide); }

}  // namespace

Implementations choose_implementations(const Architecture& architecture, int width, int height, const Target& target) {
  const Result<Network> network = build_network(architecture, size_class(width), size_class(height), 1);
  if (!network) return {};
  using Key = std::tuple<std::string, int, int, memory::data_type>;
  static std::mutex mutex;
  static std::map<Key, Implementations> made;
  const Key key(architecture.name, size_class(width), size_class(height), target.type);
  const std::scoped_lock lock(mutex);
  const auto found = made.find(key);
  if (found != made.end()) return found->second;
  return made.emplace(key, hold_contests(*network, target)).first->second;
}

}  // namespace resnetft::onednn
