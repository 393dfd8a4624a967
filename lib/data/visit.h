// SPDX-License-Identifier: MIT
// Every picture of a dataset once, decoded on several threads, in no order.
#pragma once

#include <functional>

#include "data/dataset.h"

namespace resnetft {

// On any of the threads, for each index once.
using VisitPicture = std::function<void(size_t index, const Result<DecodedImage>& image)>;
// On the calling thread, with how many pictures were visited so far; false ends the visit.
using VisitProgress = std::function<bool(size_t done)>;

// `workers` threads, the calling one among them. Cancelled where `progress` said so; OutOfMemory.
Status visit_pictures(const Dataset& data, unsigned workers, const ReduceBy& reduce_by, const VisitPicture& visit,
                      const VisitProgress& progress = {});

}  // namespace resnetft
