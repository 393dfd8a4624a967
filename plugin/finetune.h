// SPDX-License-Identifier: MIT
// resnetfinetune: teaches the model of a hub from the labelled frames that pass.
#pragma once

#include "video_analyzer.h"

namespace resnetft {
struct FinetuneState;
}

#define GST_TYPE_RESNET_FINETUNE (gst_resnet_finetune_get_type())

struct GstResnetFinetune {
  GstResnetVideoAnalyzer parent;
  resnetft::FinetuneState* state;
};

struct GstResnetFinetuneClass {
  GstResnetVideoAnalyzerClass parent_class;
};

GType gst_resnet_finetune_get_type();

#define GST_RESNET_FINETUNE(object) (G_TYPE_CHECK_INSTANCE_CAST((object), GST_TYPE_RESNET_FINETUNE, GstResnetFinetune))
