// SPDX-License-Identifier: MIT
#include "infer/onednn/choice.h"

namespace resnetft::onednn {

NetworkChoice choose_implementations(const Network& network, const Target&) {
  return {ActivationFormat::Nhwc, std::vector<std::string>(network.layers.size())};
}

}  // namespace resnetft::onednn
