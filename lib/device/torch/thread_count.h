// SPDX-License-Identifier: MIT
// The half of ThreadBudget that needs LibTorch.
#pragma once

namespace resnetft {

// Sets how many threads ATen and MKL use in the calling thread; `threads` from 1 up.
void set_torch_thread_count(int threads);

}  // namespace resnetft
