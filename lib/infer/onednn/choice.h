// SPDX-License-Identifier: MIT
// Which memory format and which implementations a net gets.
#pragma once

#include "infer/onednn/plan.h"

namespace resnetft::onednn {

NetworkChoice choose_implementations(const Network& network, const Target& target);

}  // namespace resnetft::onednn
