// SPDX-License-Identifier: MIT
#include "error_report.h"

#include <array>
#include <string>

#include "gst_ref.h"

namespace resnetft {
namespace {

struct Row {
  ErrorCode code;
  GQuark (*domain)();
  gint gst_code;
};

constexpr std::array kRows = {
    Row{ErrorCode::InvalidArgument, gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS},
    Row{ErrorCode::NotFound, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND},
    Row{ErrorCode::Io, gst_resource_error_quark, GST_RESOURCE_ERROR_READ},
    Row{ErrorCode::CorruptFile, gst_resource_error_quark, GST_RESOURCE_ERROR_OPEN_READ},
    Row{ErrorCode::Incompatible, gst_library_error_quark, GST_LIBRARY_ERROR_SETTINGS},
    Row{ErrorCode::DeviceUnavailable, gst_library_error_quark, GST_LIBRARY_ERROR_INIT},
    Row{ErrorCode::OutOfMemory, gst_resource_error_quark, GST_RESOURCE_ERROR_NO_SPACE_LEFT},
    Row{ErrorCode::Cancelled, gst_core_error_quark, GST_CORE_ERROR_FAILED},
    Row{ErrorCode::Internal, gst_library_error_quark, GST_LIBRARY_ERROR_FAILED},
};

void post(GstElement* element, GstMessageType type, const Error& error) {
  const GstErrorCode code = gst_error_code(error.code);
  gst_element_message_full(element, type, code.domain, code.code, g_strdup(to_string(error).c_str()),
                           g_strdup(std::string(error_name(error.code)).c_str()), __FILE__, "post", __LINE__);
}

}  // namespace

GstErrorCode gst_error_code(ErrorCode code) {
  for (const Row& row : kRows)
    if (row.code == code) return {row.domain(), row.gst_code};
  return {gst_core_error_quark(), GST_CORE_ERROR_FAILED};
}

void post_error(GstElement* element, const Error& error) { post(element, GST_MESSAGE_ERROR, error); }
void post_warning(GstElement* element, const Error& error) { post(element, GST_MESSAGE_WARNING, error); }

}  // namespace resnetft
