// SPDX-License-Identifier: MIT
#include "infer/onednn/plan.h"

#include <algorithm>
#include <optional>

#include "infer/arena.h"

namespace resnetft::onednn {
namespace {

using dnnl::memory;

constexpr int kOutside = -1;  // a value that is no buffer of the arena

// Collects steps whose places are still numbers of buffers, then lays the buffers out.
class PlanBuilder {
 public:
  PlanBuilder(const Network& network, const Target& target, const Implementations& implementations, int batch,
              WeightStore& store)
      : network_(network),
        target_(target),
        implementations_(implementations),
        store_(store),
        buffer_of_value_{kOutside} {
    plan_.batch = batch;
  }

  Result<Plan> build() {
    if (target_.type != memory::data_type::f32) convert_input();
    for (size_t i = 0; i < network_.layers.size(); ++i) {
      const Status appended = append_layer(i);
      if (!appended) return appended.error();
    }
    lay_out();
    return std::move(plan_);
  }

 private:
  struct Ends {
    int src;
    int dst;
    Storage outside_src;
    Storage outside_dst;
  };

  memory::desc picture_desc(memory::data_type type) const {
    Target plain = target_;
    plain.type = type;
    return activation_desc(plain, network_.layers.front().src_extent, plan_.batch);
  }

  int new_buffer(size_t bytes) {
    buffers_.push_back({bytes, static_cast<int>(plan_.steps.size()), static_cast<int>(plan_.steps.size())});
    return static_cast<int>(buffers_.size()) - 1;
  }

  // `src` and `dst` are buffers or kOutside: then the region says where.
  void append(Step step, int src, Storage outside_src, int dst, Storage outside_dst) {
    const int now = static_cast<int>(plan_.steps.size());
    for (const int buffer : {src, dst})
      if (buffer != kOutside) buffers_[static_cast<size_t>(buffer)].last = now;
    plan_.scratchpad_bytes = std::max(plan_.scratchpad_bytes, step.scratchpad_desc.get_size());
    plan_.steps.push_back(std::move(step));
    ends_.push_back({src, dst, outside_src, outside_dst});
  }

  void convert(const memory::desc& src, const memory::desc& dst, int src_buffer, int dst_buffer, Storage outside_dst) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::reorder::primitive_desc desc(target_.engine, src, target_.engine, dst, attributes);
    append({dnnl::reorder(desc), src, dst, desc.scratchpad_desc(), {}, {}, {}, {}}, src_buffer, Storage::Input,
           dst_buffer, outside_dst);
  }

  void convert_input() {
    const memory::desc converted = picture_desc(target_.type);
    const int buffer = new_buffer(converted.get_size());
    convert(picture_desc(memory::data_type::f32), converted, kOutside, buffer, Storage::Arena);
    buffer_of_value_[0] = buffer;
  }

  Status append_layer(size_t index) {
    const Layer& layer = network_.layers[index];
    switch (layer.kind) {
      case LayerKind::Convolution:
      case LayerKind::OptionAShortcut:
        return append_convolution(index);
      case LayerKind::MaxPool:
        append_pool(layer, dnnl::algorithm::pooling_max, layer.kernel, layer.kernel);
        return Status::success();
      case LayerKind::GlobalAveragePool:
        append_pool(layer, dnnl::algorithm::pooling_avg_exclude_padding, layer.src_extent.height,
                    layer.src_extent.width);
        return Status::success();
      case LayerKind::Linear:
        return append_linear(index);
    }
    return Error{ErrorCode::Internal, "a layer of an unknown kind", ""};
  }

  int buffer_of(int value) const { return buffer_of_value_[static_cast<size_t>(value)]; }

  // The implementation that was chosen; oneDNN's favourite where there is none of that name.
  std::optional<ConvolutionDesc> find_convolution(size_t index, const memory::desc* weights) const {
    const std::string& wanted = implementations_[index];
    std::optional<ConvolutionDesc> found;
    const auto take = [&](bool any) {
      visit_implementations(target_, network_.layers[index], plan_.batch, weights, [&](const ConvolutionDesc& desc) {
        if (!any && !wanted.empty() && desc.impl_info_str() != wanted) return true;
        found = desc;
        return false;
      });
    };
    take(false);
    if (!found && weights == nullptr) take(true);
    return found;
  }

  // A plan takes weights that another made already where the same implementation reads them.
  std::optional<ConvolutionDesc> choose_convolution(size_t index) const {
    const std::optional<ConvolutionDesc> favourite = find_convolution(index, nullptr);
    if (!favourite) return favourite;
    for (const memory& made : store_.made(index))
      if (made.get_desc() == favourite->weights_desc()) return favourite;
    for (const memory& made : store_.made(index)) {
      const memory::desc format = made.get_desc();
      const std::optional<ConvolutionDesc> other = find_convolution(index, &format);
      if (other && std::string(other->impl_info_str()) == favourite->impl_info_str()) return other;
    }
    return favourite;
  }

  Status append_convolution(size_t index) {
    const Layer& layer = network_.layers[index];
    const std::optional<ConvolutionDesc> desc = choose_convolution(index);
    if (!desc)
      return Error{ErrorCode::Incompatible,
                   "oneDNN has no convolution for layer '" + layer.weights + "' in this precision on this processor",
                   "use precision fp32, or the engine reference"};
    const Result<memory> weights = store_.weights(index, desc->weights_desc());
    if (!weights) return weights.error();
    // The sum post-op adds to what its destination holds: the residual's buffer, whose last reader this is.
    const int dst = layer.residual >= 0 ? buffer_of(layer.residual) : new_buffer(desc->dst_desc().get_size());
    append({dnnl::convolution_forward(*desc),
            desc->src_desc(),
            desc->dst_desc(),
            desc->scratchpad_desc(),
            *weights,
            store_.bias(index),
            {},
            {}},
           buffer_of(layer.src), Storage::Input, dst, Storage::Arena);
    buffer_of_value_.push_back(dst);
    return Status::success();
  }

  void append_pool(const Layer& layer, dnnl::algorithm algorithm, int64_t kernel_height, int64_t kernel_width) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const memory::desc src = activation_desc(target_, layer.src_extent, plan_.batch);
    const memory::desc dst = activation_desc(target_, layer.dst_extent, plan_.batch);
    const memory::dims padding = {layer.padding, layer.padding};
    const dnnl::pooling_forward::primitive_desc desc(target_.engine, dnnl::prop_kind::forward_inference, algorithm, src,
                                                     dst, {layer.stride, layer.stride}, {kernel_height, kernel_width},
                                                     {0, 0}, padding, padding, attributes);
    const bool features = layer.kind == LayerKind::GlobalAveragePool;
    const bool outside = features && target_.type == memory::data_type::f32;
    const int buffer = outside ? kOutside : new_buffer(dst.get_size());
    append({dnnl::pooling_forward(desc), src, dst, desc.scratchpad_desc(), {}, {}, {}, {}}, buffer_of(layer.src),
           Storage::Input, buffer, Storage::Features);
    buffer_of_value_.push_back(buffer);
    if (features && !outside)
      convert(matrix_desc(layer.dst_extent.channels, target_.type),
              matrix_desc(layer.dst_extent.channels, memory::data_type::f32), buffer, kOutside, Storage::Features);
  }

  // [batch, columns]; a value of one pixel lies like this in either format.
  memory::desc matrix_desc(int64_t columns, memory::data_type type) const {
    return memory::desc({plan_.batch, columns}, type, memory::format_tag::ab);
  }

  Status append_linear(size_t index) {
    const Layer& layer = network_.layers[index];
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const memory::dims shape = {layer.dst_extent.channels, layer.src_extent.channels};
    // The plans share one format, that of the first.
    const memory::desc format = store_.made(index).empty() ? memory::desc(shape, target_.type, memory::format_tag::any)
                                                           : store_.made(index).front().get_desc();
    const memory::desc bias({layer.dst_extent.channels}, memory::data_type::f32, memory::format_tag::x);
    const dnnl::inner_product_forward::primitive_desc desc(
        target_.engine, dnnl::prop_kind::forward_inference, matrix_desc(layer.src_extent.channels, target_.type),
        format, bias, matrix_desc(layer.dst_extent.channels, memory::data_type::f32), attributes);
    const Result<memory> weights = store_.weights(index, desc.weights_desc());
    if (!weights) return weights.error();
    append({dnnl::inner_product_forward(desc),
            desc.src_desc(),
            desc.dst_desc(),
            desc.scratchpad_desc(),
            *weights,
            store_.bias(index),
            {},
            {}},
           buffer_of(layer.src), Storage::Features, kOutside, Storage::Logits);
    buffer_of_value_.push_back(kOutside);
    return Status::success();
  }

  void lay_out() {
    const ArenaPlan arena = plan_arena(buffers_);
    plan_.arena_bytes = arena.bytes;
    const auto place = [&](int buffer, Storage outside) {
      return buffer == kOutside ? Place{outside, 0} : Place{Storage::Arena, arena.offsets[static_cast<size_t>(buffer)]};
    };
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      plan_.steps[i].src = place(ends_[i].src, ends_[i].outside_src);
      plan_.steps[i].dst = place(ends_[i].dst, ends_[i].outside_dst);
    }
  }

  const Network& network_;
  const Target& target_;
  const Implementations& implementations_;
  WeightStore& store_;
  Plan plan_;
  std::vector<Lifetime> buffers_;
  std::vector<Ends> ends_;  // of each step
  std::vector<int> buffer_of_value_;
};

}  // namespace

Result<Plan> build_plan(const Network& network, const Target& target, const Implementations& implementations, int batch,
                        WeightStore& store) {
  return PlanBuilder(network, target, implementations, batch, store).build();
}

}  // namespace resnetft::onednn
