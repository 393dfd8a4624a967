// SPDX-License-Identifier: MIT
// resnetclassify: classifies frames, or the regions of interest on them, with a ResNet.
#pragma once

#include "video_analyzer.h"

namespace resnetft {
struct ClassifyState;
}

#define GST_TYPE_RESNET_CLASSIFY (gst_resnet_classify_get_type())

struct GstResnetClassify {
  GstResnetVideoAnalyzer parent;
  resnetft::ClassifyState* state;
};

struct GstResnetClassifyClass {
  GstResnetVideoAnalyzerClass parent_class;
};

GType gst_resnet_classify_get_type();

#define GST_RESNET_CLASSIFY(object) (G_TYPE_CHECK_INSTANCE_CAST((object), GST_TYPE_RESNET_CLASSIFY, GstResnetClassify))
