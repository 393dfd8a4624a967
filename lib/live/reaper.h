// SPDX-License-Identifier: MIT
// Takes threads that do not end in time. They are joined before the process ends.
#pragma once

#include <thread>

namespace resnetft {

// The thread must own all that it touches.
void hand_to_reaper(std::thread thread);

}  // namespace resnetft
