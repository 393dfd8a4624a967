// SPDX-License-Identifier: MIT
// The verbs of ft-tool, one file each.
#pragma once

#include "command_line.h"

namespace resnetft::tool {

Verb predict_verb();
Verb eval_verb();
Verb train_verb();
Verb lr_find_verb();
Verb calibrate_verb();
Verb average_verb();
Verb inspect_verb();
Verb convert_verb();
Verb dataset_verb();
Verb benchmark_verb();
Verb live_verb();
Verb devices_verb();

}  // namespace resnetft::tool
