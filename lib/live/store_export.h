// SPDX-License-Identifier: MIT
// Samples as a folder of pictures that ft-tool train takes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "live/sample.h"
#include "resnetft/error.h"

namespace resnetft {

// As ReplayStore::export_to().
Status export_samples(std::span<const std::shared_ptr<const Sample>> samples, const std::string& folder);

// A label as the name of a folder: percent-encoded are '/', '%', control characters and a '.' at the beginning; what is
// longer than 200 bytes is cut and ends in the SHA-256 of the label.
std::string folder_name_of(std::string_view label);

}  // namespace resnetft
