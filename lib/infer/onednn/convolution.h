// SPDX-License-Identifier: MIT
// A convolution layer as a oneDNN primitive descriptor: memory formats, post-ops, and the list of implementations.
#pragma once

#include <dnnl.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "model/network.h"

namespace resnetft::onednn {

// What all layers of a net have in common.
struct Target {
  dnnl::engine engine;
  dnnl::memory::data_type type = dnnl::memory::data_type::f32;  // of activations and convolution weights
};

// The descriptor of a value [batch, channels, height, width]. All lie in NHWC: oneDNN's brgemm convolutions take it
// without reorders, and were faster than those for blocked formats by 12 % with AVX-512 and 3 % with AVX2 (ResNet-50).
dnnl::memory::desc activation_desc(const Target& target, const Extent& extent, int batch);

// Row-major as LayerWeights holds them: [out, in, h, w], or [groups, out / groups, in / groups, h, w].
dnnl::memory::desc plain_weights_desc(const Layer& layer);

// Walks oneDNN's implementations of a layer, its favourite first, leaving the reference ones out, until `visit` answers
// false. `weights`: the format that they must take, or null for their own choice. Visits none where there is none.
using ConvolutionDesc = dnnl::convolution_forward::primitive_desc;
void visit_implementations(const Target& target, const Layer& layer, int batch, const dnnl::memory::desc* weights,
                           const std::function<bool(const ConvolutionDesc&)>& visit);

}  // namespace resnetft::onednn
