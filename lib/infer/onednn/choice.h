// SPDX-License-Identifier: MIT
// Which of oneDNN's implementations each convolution of a net gets.
#pragma once

#include "infer/onednn/plan.h"

namespace resnetft::onednn {

// Times oneDNN's candidates on this processor, in a third of a second for most nets (the time is bounded, see
// choice.cpp), and remembers the answer for as long as the process lives. Only those compete whose results are the same
// to the last bit: a picture gets the same logits in every process, batch and engine on one machine. Sets the calling
// thread's thread count. Thread-safe. Throws dnnl::error.
Implementations choose_implementations(const Architecture& architecture, int width, int height, const Target& target);

}  // namespace resnetft::onednn
