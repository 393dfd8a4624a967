// SPDX-License-Identifier: MIT
#include "infer/onednn/weight_store.h"

#include <cstring>

namespace resnetft::onednn {
namespace {

using dnnl::memory;

memory::desc plain_desc(const Layer& layer) {
  if (layer.kind != LayerKind::Linear) return plain_weights_desc(layer);
  return memory::desc({layer.dst_extent.channels, layer.src_extent.channels}, memory::data_type::f32,
                      memory::format_tag::ab);
}

memory reordered(std::vector<float>& values, const memory::desc& plain, const memory::desc& desc,
                 const dnnl::engine& engine) {
  memory source(plain, engine, values.data());
  memory target(desc, engine);
  // Formats that pad their channels are read up to the padding.
  std::memset(target.get_data_handle(), 0, desc.get_size());
  dnnl::stream stream(engine);
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return target;
}

}  // namespace

WeightStore::WeightStore(const Network& network, const FloatWeights& weights, dnnl::engine engine)
    : network_(network), weights_(weights), engine_(std::move(engine)), entries_(network.layers.size()) {}

Result<memory> WeightStore::weights(size_t layer, const memory::desc& desc) {
  Entry& entry = entries_[layer];
  for (const memory& made : entry.weights)
    if (made.get_desc() == desc) return made;
  Result<LayerWeights> plain = layer_weights(network_.layers[layer], weights_);
  if (!plain) return plain.error();
  entry.weights.push_back(reordered(plain->weights, plain_desc(network_.layers[layer]), desc, engine_));
  if (!entry.bias) {
    const memory::desc bias({network_.layers[layer].dst_extent.channels}, memory::data_type::f32,
                            memory::format_tag::x);
    entry.bias = reordered(plain->bias, bias, bias, engine_);
  }
  return entry.weights.back();
}

}  // namespace resnetft::onednn
