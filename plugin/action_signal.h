// SPDX-License-Identifier: MIT
// Action signals: what an application may ask of an element from any thread.
#pragma once

#include <gst/gst.h>

#include <vector>

namespace resnetft {

// `handler` takes the element, then the parameters.
inline void install_action(GType type, const char* name, GCallback handler, GType result,
                           std::vector<GType> parameters) {
  constexpr auto flags = static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
  g_signal_newv(name, type, flags, g_cclosure_new(handler, nullptr, nullptr), nullptr, nullptr, nullptr, result,
                static_cast<guint>(parameters.size()), parameters.data());
}

}  // namespace resnetft
