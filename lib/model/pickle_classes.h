// SPDX-License-Identifier: MIT
// The closed list of what a pickle may name.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/weights.h"

namespace resnetft {

// What becomes of a call of the class or function. First: the first argument stands for the result.
enum class PickleRole { Dict, Tensor, TensorV3, TypedRebuild, First, Storage, ElementType, Opaque };

struct PickleClass {
  std::string_view module, name;
  PickleRole role;
  DType dtype = DType::U8;  // of Storage and ElementType
};

// The number of the row, or -1 where the name is not on the list.
int64_t find_pickle_class(std::string_view module, std::string_view name);
const PickleClass& pickle_class(int64_t row);

}  // namespace resnetft
