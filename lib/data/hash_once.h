// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>
#include <string>
#include <utility>

namespace resnetft {

// A hash that reads whole files: computed when it is first asked for, then kept. Thread-safe.
class HashOnce {
 public:
  template <class Compute>
  const std::string& of(Compute&& compute) const {
    std::call_once(computed_, [&] { hash_ = std::forward<Compute>(compute)(); });
    return hash_;
  }

 private:
  mutable std::once_flag computed_;
  mutable std::string hash_;
};

}  // namespace resnetft
