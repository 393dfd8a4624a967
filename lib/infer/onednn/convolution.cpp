// SPDX-License-Identifier: MIT
#include "infer/onednn/convolution.h"

namespace resnetft::onednn {
namespace {

using dnnl::memory;

memory::dims weights_dims(const Layer& layer) {
  const memory::dim out = layer.dst_extent.channels;
  const memory::dim in = layer.src_extent.channels;
  if (layer.groups == 1) return {out, in, layer.kernel, layer.kernel};
  return {layer.groups, out / layer.groups, in / layer.groups, layer.kernel, layer.kernel};
}

dnnl::primitive_attr attributes(const Layer& layer) {
  dnnl::post_ops operations;
  if (layer.residual >= 0) operations.append_sum(1.0f);
  if (layer.relu) operations.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(operations);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

}  // namespace

memory::desc activation_desc(const Target& target, const Extent& extent, int batch) {
  return memory::desc({batch, extent.channels, extent.height, extent.width}, target.type, memory::format_tag::nhwc);
}

memory::desc plain_weights_desc(const Layer& layer) {
  return memory::desc(weights_dims(layer), memory::data_type::f32,
                      layer.groups == 1 ? memory::format_tag::oihw : memory::format_tag::goihw);
}

void visit_implementations(const Target& target, const Layer& layer, int batch, const memory::desc* weights,
                           const std::function<bool(const ConvolutionDesc&)>& visit) {
  const memory::desc any(weights_dims(layer), target.type, memory::format_tag::any);
  const memory::desc bias({layer.dst_extent.channels}, memory::data_type::f32, memory::format_tag::x);
  const memory::dims strides = {layer.stride, layer.stride};
  const memory::dims padding = {layer.padding, layer.padding};
  ConvolutionDesc desc(target.engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                       activation_desc(target, layer.src_extent, batch), weights != nullptr ? *weights : any, bias,
                       activation_desc(target, layer.dst_extent, batch), strides, padding, padding, attributes(layer),
                       true);
  if (!desc) return;
  do {
    if (std::string_view(desc.impl_info_str()).find("ref") != std::string_view::npos) continue;
    if (!visit(desc)) return;
  } while (desc.next_impl());
}

}  // namespace resnetft::onednn
