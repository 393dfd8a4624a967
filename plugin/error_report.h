// SPDX-License-Identifier: MIT
// From an Error of the library to a message on the bus.
#pragma once

#include <gst/gst.h>

#include "resnetft/error.h"

namespace resnetft {

// The GStreamer error domain and code of an ErrorCode.
struct GstErrorCode {
  GQuark domain;
  gint code;
};
GstErrorCode gst_error_code(ErrorCode code);

// Posts "message; hint" in the error's domain and code. No lock may be held.
void post_error(GstElement* element, const Error& error);
void post_warning(GstElement* element, const Error& error);

}  // namespace resnetft
