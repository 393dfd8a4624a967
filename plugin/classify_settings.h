// SPDX-License-Identifier: MIT
// The properties of resnetclassify as the two kinds of values that its code works with: what a model is loaded with,
// and what rules a frame.
#pragma once

#include <string>

#include "resnetft/classifier.h"
#include "resnetft/error.h"
#include "resnetft/model.h"
#include "resnetft/smoother.h"
#include "settings.h"

namespace resnetft {

// The numbers are those of the option table (base/options.cpp); a test compares them.
enum class RegionSource { FullFrame = 0, RoiList = 1 };
enum class PostMessages { Never = 0, OnChange = 1, Always = 2 };
enum MetaKind : unsigned { kAnalyticsMeta = 1, kCustomMeta = 2, kRoiMeta = 4 };

struct FrameRules {
  RegionSource region = RegionSource::FullFrame;
  std::string roi_class;  // "": every type
  unsigned inference_interval = 1;
  SmootherRule smoothing;
  bool skip_late = true;
  PostMessages post_messages = PostMessages::OnChange;
  unsigned metas = 0;  // MetaKind
  bool attach_embedding = false;
  bool overlay = false;
};

struct ModelRequest {
  std::string path;
  LoadOptions load;
  ClassifierOptions classifier;
};

FrameRules frame_rules(const Settings& settings);

// Reads the labels file, where one is named: its errors are returned.
Result<ModelRequest> model_request(const Settings& settings);

}  // namespace resnetft
