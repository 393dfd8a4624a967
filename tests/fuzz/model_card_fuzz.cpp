// SPDX-License-Identifier: MIT
// The model card: what is read can be written and read again.
#include <cstdint>
#include <cstdlib>
#include <span>

#include <string_view>

#include "resnetft/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto card = resnetft::card_from_json({reinterpret_cast<const char*>(data), size});
  if (card && !resnetft::card_from_json(resnetft::card_to_json(*card))) std::abort();
  return 0;
}
