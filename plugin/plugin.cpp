// SPDX-License-Identifier: MIT
// What GStreamer asks when it opens the plugin. Nothing here touches LibTorch: it is opened when a model needs it.
#include <gst/gst.h>

#include <string>

#include "classify.h"
#include "finetune.h"
#include "judgement_writer.h"
#include "resnetft/log.h"

GST_DEBUG_CATEGORY_STATIC(resnetft_debug);
#define GST_CAT_DEFAULT resnetft_debug

namespace {

GstDebugLevel debug_level(resnetft::LogLevel level) {
  switch (level) {
    case resnetft::LogLevel::Debug:
      return GST_LEVEL_DEBUG;
    case resnetft::LogLevel::Info:
      return GST_LEVEL_INFO;
    case resnetft::LogLevel::Warning:
      return GST_LEVEL_WARNING;
  }
  return GST_LEVEL_DEBUG;
}

void log_line(resnetft::LogLevel level, std::string_view line) {
  GST_CAT_LEVEL_LOG(resnetft_debug, debug_level(level), nullptr, "%.*s", static_cast<int>(line.size()), line.data());
}

gboolean plugin_init(GstPlugin* plugin) {
  GST_DEBUG_CATEGORY_INIT(resnetft_debug, "resnetft", 0, "the library behind the resnet elements");
  resnetft::set_log_sink(log_line);
  resnetft::register_classification_meta();
  return gst_element_register(plugin, "resnetclassify", GST_RANK_NONE, GST_TYPE_RESNET_CLASSIFY) &&
         gst_element_register(plugin, "resnetfinetune", GST_RANK_NONE, GST_TYPE_RESNET_FINETUNE);
}

}  // namespace

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, resnetft, "Runs and fine-tunes ResNets in video pipelines",
                  plugin_init, RESNETFT_VERSION, "MIT/X11", "resnetft", "resnetft")
