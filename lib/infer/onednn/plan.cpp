// SPDX-License-Identifier: MIT
// Activations lie in NHWC throughout: oneDNN's brgemm convolutions take it without reorders, and one layout for every
// batch size gives a picture the same bits whatever it is batched with.
#include "infer/onednn/plan.h"

#include "infer/onednn/arena.h"

namespace resnetft::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Type = memory::data_type;

dnnl::primitive_attr attributes(const Layer& layer) {
  dnnl::post_ops operations;
  if (layer.residual >= 0) operations.append_sum();
  if (layer.relu) operations.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(operations);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

class Planner {
 public:
  Planner(const dnnl::engine& engine, const Network& network, const FloatWeights& weights, const EngineSpec& spec,
          int batch, WeightStore& store)
      : engine_(engine),
        network_(network),
        weights_(weights),
        store_(store),
        batch_(batch),
        type_(spec.precision == Precision::Bf16 ? Type::bf16 : Type::f32) {
    plan_.batch = batch;
    values_.push_back({activation(Type::f32, 3, spec.height, spec.width), 0});
    find_last_readers();
  }

  Plan run() {
    if (type_ != Type::f32) convert_input();
    for (size_t i = 0; i < network_.layers.size(); ++i) {
      const Layer& layer = network_.layers[i];
      if (layer.kind == Layer::Kind::Convolution)
        add_convolution(layer);
      else
        add_max_pool(layer);
      release_after(static_cast<int>(i));
    }
    add_mean();
    add_head();
    plan_.arena_bytes = arena_.bytes();
    return std::move(plan_);
  }

 private:
  struct Value {
    memory::desc desc;
    size_t offset;
    bool in_arena = false;
  };

  memory::desc activation(Type type, int64_t channels, int64_t height, int64_t width) const {
    return {{batch_, channels, height, width}, type, Tag::nhwc};
  }

  void find_last_readers() {
    last_reader_.assign(network_.layers.size() + 1, -1);
    for (size_t i = 0; i < network_.layers.size(); ++i) {
      last_reader_[static_cast<size_t>(network_.layers[i].source)] = static_cast<int>(i);
      if (network_.layers[i].residual >= 0)
        last_reader_[static_cast<size_t>(network_.layers[i].residual)] = static_cast<int>(i);
    }
    last_reader_.back() = static_cast<int>(network_.layers.size());
  }

  // A value that was added to in place lives on under its successor's number.
  void release_after(int layer) {
    for (size_t value = 0; value < values_.size(); ++value)
      if (values_[value].in_arena && last_reader_[value] == layer) {
        const bool taken_over = network_.layers[static_cast<size_t>(layer)].residual == static_cast<int>(value);
        if (!taken_over) arena_.release(values_[value].offset);
        values_[value].in_arena = false;
      }
  }

  Operand operand(int argument, const Value& value) const {
    return {argument, value.desc, value.in_arena ? Place::Arena : Place::Input, value.offset};
  }

  void add_step(dnnl::primitive primitive, std::vector<Operand> operands, std::vector<std::pair<int, memory>> constants,
                const memory::desc& scratchpad) {
    const size_t bytes = scratchpad.get_size();
    plan_.scratchpad_bytes = std::max(plan_.scratchpad_bytes, bytes);
    plan_.steps.push_back({std::move(primitive), std::move(operands), std::move(constants), bytes});
  }

  void convert_input() {
    const Value input = values_[0];
    const Value converted{memory::desc(input.desc.get_dims(), type_, Tag::nhwc),
                          arena_.allocate(memory::desc(input.desc.get_dims(), type_, Tag::nhwc).get_size()), true};
    const dnnl::reorder::primitive_desc desc(engine_, input.desc, engine_, converted.desc);
    add_step(dnnl::reorder(desc), {operand(DNNL_ARG_FROM, input), operand(DNNL_ARG_TO, converted)}, {}, {});
    values_[0] = converted;
  }

  void add_convolution(const Layer& layer) {
    const Value source = values_[static_cast<size_t>(layer.source)];
    Value result{activation(type_, layer.channels, layer.height, layer.width), 0, true};
    const bool in_place = layer.residual >= 0;
    result.offset =
        in_place ? values_[static_cast<size_t>(layer.residual)].offset : arena_.allocate(result.desc.get_size());

    const int64_t group_in = layer.in_channels / layer.groups, group_out = layer.channels / layer.groups;
    const Dims dims = layer.groups == 1 ? Dims{layer.channels, group_in, layer.kernel, layer.kernel}
                                        : Dims{layer.groups, group_out, group_in, layer.kernel, layer.kernel};
    const Dims strides = {layer.stride, layer.stride}, padding = {layer.padding, layer.padding};
    const memory::desc bias_desc({layer.channels}, Type::f32, Tag::x);
    const dnnl::convolution_forward::primitive_desc desc(
        engine_, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source.desc,
        memory::desc(dims, type_, Tag::any), bias_desc, result.desc, strides, padding, padding, attributes(layer));

    const FoldedConvolution folded = fold(layer, weights_);
    const std::string key = layer.convolution.empty() ? "shortcut" + std::to_string(values_.size()) : layer.convolution;
    add_step(dnnl::convolution_forward(desc), {operand(DNNL_ARG_SRC, source), operand(DNNL_ARG_DST, result)},
             {{DNNL_ARG_WEIGHTS,
               store_.get(key, folded.weight, dims, layer.groups == 1 ? Tag::oihw : Tag::goihw, desc.weights_desc())},
              {DNNL_ARG_BIAS, store_.get(key + ".bias", folded.bias, {layer.channels}, Tag::x, bias_desc)}},
             desc.scratchpad_desc());
    values_.push_back(result);
  }

  void add_pooling(dnnl::algorithm algorithm, const Value& source, const memory::desc& result, const Dims& strides,
                   const Dims& kernel, const Dims& padding, Operand destination) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::pooling_forward::primitive_desc desc(engine_, dnnl::prop_kind::forward_inference, algorithm,
                                                     source.desc, result, strides, kernel, {0, 0}, padding, padding,
                                                     attributes);
    add_step(dnnl::pooling_forward(desc), {operand(DNNL_ARG_SRC, source), std::move(destination)}, {},
             desc.scratchpad_desc());
  }

  void add_max_pool(const Layer& layer) {
    Value result{activation(type_, layer.channels, layer.height, layer.width), 0, true};
    result.offset = arena_.allocate(result.desc.get_size());
    add_pooling(dnnl::algorithm::pooling_max, values_[static_cast<size_t>(layer.source)], result.desc,
                {layer.stride, layer.stride}, {layer.kernel, layer.kernel}, {layer.padding, layer.padding},
                operand(DNNL_ARG_DST, result));
    values_.push_back(result);
  }

  // To float32 where the caller reads it, whatever the precision.
  void add_mean() {
    const Value& source = values_.back();
    const Layer& last = network_.layers.back();
    const Dims kernel = {last.height, last.width};
    const memory::desc pooled(Dims{batch_, last.channels, 1, 1}, type_, Tag::nhwc);
    if (type_ == Type::f32) {
      add_pooling(dnnl::algorithm::pooling_avg_exclude_padding, source, pooled, {1, 1}, kernel, {0, 0},
                  {DNNL_ARG_DST, pooled, Place::Embedding});
      return;
    }
    const Value half{pooled, arena_.allocate(pooled.get_size()), true};
    add_pooling(dnnl::algorithm::pooling_avg_exclude_padding, source, pooled, {1, 1}, kernel, {0, 0},
                operand(DNNL_ARG_DST, half));
    const memory::desc full(pooled.get_dims(), Type::f32, Tag::nhwc);
    const dnnl::reorder::primitive_desc desc(engine_, pooled, engine_, full);
    add_step(dnnl::reorder(desc), {operand(DNNL_ARG_FROM, half), {DNNL_ARG_TO, full, Place::Embedding}}, {}, {});
  }

  void add_head() {
    const memory::desc source({batch_, network_.features}, Type::f32, Tag::nc);
    const memory::desc result({batch_, network_.num_classes}, Type::f32, Tag::nc);
    const memory::desc bias({network_.num_classes}, Type::f32, Tag::x);
    const Dims dims = {network_.num_classes, network_.features};
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::inner_product_forward::primitive_desc desc(engine_, dnnl::prop_kind::forward_inference, source,
                                                           memory::desc(dims, Type::f32, Tag::any), bias, result,
                                                           attributes);
    const auto values = [&](const char* suffix) -> const std::vector<float>& {
      return weights_.find(network_.head + suffix)->second.values;
    };
    add_step(dnnl::inner_product_forward(desc),
             {{DNNL_ARG_SRC, source, Place::Embedding}, {DNNL_ARG_DST, result, Place::Logits}},
             {{DNNL_ARG_WEIGHTS, store_.get("head", values(".weight"), dims, Tag::oi, desc.weights_desc())},
              {DNNL_ARG_BIAS, store_.get("head.bias", values(".bias"), {network_.num_classes}, Tag::x, bias)}},
             desc.scratchpad_desc());
  }

  const dnnl::engine& engine_;
  const Network& network_;
  const FloatWeights& weights_;
  WeightStore& store_;
  const int batch_;
  const Type type_;
  Plan plan_;
  Arena arena_;
  std::vector<Value> values_;
  std::vector<int> last_reader_;  // of each value: the layer that reads it last
};

}  // namespace

memory WeightStore::get(const std::string& key, const std::vector<float>& values, const Dims& dims, Tag tag,
                        const memory::desc& wanted) {
  const auto [begin, end] = known_.equal_range(key);
  for (auto entry = begin; entry != end; ++entry)
    if (entry->second.get_desc() == wanted) return entry->second;
  memory plain(memory::desc(dims, Type::f32, tag), engine_, const_cast<float*>(values.data()));
  memory reordered(wanted, engine_);
  dnnl::stream stream(engine_);
  dnnl::reorder(plain, reordered).execute(stream, plain, reordered);
  stream.wait();
  known_.emplace(key, reordered);
  return reordered;
}

Plan make_plan(const dnnl::engine& engine, const Network& network, const FloatWeights& weights, const EngineSpec& spec,
               int batch, WeightStore& store) {
  return Planner(engine, network, weights, spec, batch, store).run();
}

}  // namespace resnetft::onednn
