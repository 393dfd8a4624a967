// SPDX-License-Identifier: MIT
#include "infer/onednn/weight_store.h"

namespace resnetft::onednn {
namespace {

using dnnl::memory;

memory::desc plain_desc(const Layer& layer) {
  if (layer.kind != LayerKind::Linear) return plain_weights_desc(layer);
  return memory::desc({layer.dst_extent.channels, layer.src_extent.channels}, memory::data_type::f32,
                      memory::format_tag::ab);
}

}  // namespace

WeightStore::WeightStore(const Network& network, const FloatWeights& weights, dnnl::engine engine, MemoryPool& pool)
    : network_(network), weights_(weights), engine_(std::move(engine)), pool_(pool), entries_(network.layers.size()) {}

// The pool's memory is zeroed: formats that pad their channels are read up to the padding.
memory WeightStore::reordered(std::vector<float>& values, const memory::desc& plain, const memory::desc& desc) {
  memory source(plain, engine_, values.data());
  memory target(desc, engine_, pool_.allocate(desc.get_size()));
  dnnl::stream stream(engine_);
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return target;
}

Result<memory> WeightStore::weights(size_t layer, const memory::desc& desc) {
  Entry& entry = entries_[layer];
  for (const memory& made : entry.weights)
    if (made.get_desc() == desc) return made;
  Result<LayerWeights> plain = layer_weights(network_.layers[layer], weights_);
  if (!plain) return plain.error();
  entry.weights.push_back(reordered(plain->weights, plain_desc(network_.layers[layer]), desc));
  if (!entry.bias) {
    const memory::desc bias({network_.layers[layer].dst_extent.channels}, memory::data_type::f32,
                            memory::format_tag::x);
    entry.bias = reordered(plain->bias, bias, bias);
  }
  return entry.weights.back();
}

}  // namespace resnetft::onednn
