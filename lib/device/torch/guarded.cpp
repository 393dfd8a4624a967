// SPDX-License-Identifier: MIT
#include "device/torch/guarded.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace resnetft {
namespace {

Error make_error(ErrorCode code, std::string_view doing, std::string_view reason) {
  const std::string_view line = reason.substr(0, reason.find('\n'));
  const char* hint = code == ErrorCode::OutOfMemory ? "use a smaller batch, picture or network" : "";
  return {code, std::string(doing) + ": " + std::string(line), hint};
}

// LibTorch's CPU allocator throws a plain c10::Error, known only by its text; so are those of CUDA, cuBLAS and cuDNN.
bool is_out_of_memory(std::string_view text) {
  return std::ranges::any_of(std::array{"DefaultCPUAllocator", "out of memory", "STATUS_ALLOC_FAILED"},
                             [&](const char* sign) { return text.find(sign) != std::string_view::npos; });
}

}  // namespace

Error error_of_exception_in_flight(std::string_view doing) {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return make_error(ErrorCode::OutOfMemory, doing, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string_view text = error.what_without_backtrace();
    return make_error(is_out_of_memory(text) ? ErrorCode::OutOfMemory : ErrorCode::Internal, doing, text);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, doing, "memory ran out");
  } catch (const std::length_error&) {
    return make_error(ErrorCode::OutOfMemory, doing, "more memory than there can be");
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    return make_error(is_out_of_memory(text) ? ErrorCode::OutOfMemory : ErrorCode::Internal, doing, text);
  } catch (...) {
    return make_error(ErrorCode::Internal, doing, "an exception of unknown kind");
  }
}

}  // namespace resnetft
