// SPDX-License-Identifier: MIT
#include "device/torch/guarded.h"

#include <c10/util/Exception.h>

#include <array>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace resnetft {
namespace {

constexpr const char* kSmaller = "use a smaller batch, picture or network";

struct Sign {
  std::string_view text;
  const char* hint;
};

// LibTorch's CPU allocator throws a plain c10::Error, known only by its text; so are those of CUDA, cuBLAS and cuDNN. A
// convolution on a GPU goes through cuDNN's ways, and does not say that each of them lacked memory.
constexpr std::array kOutOfMemory = {
    Sign{"DefaultCPUAllocator", kSmaller}, Sign{"out of memory", kSmaller}, Sign{"STATUS_ALLOC_FAILED", kSmaller},
    Sign{"unable to find an engine", "the GPU's memory may have run out: use a smaller batch, picture or network"}};

Error make_error(ErrorCode code, std::string_view doing, std::string_view reason, const char* hint) {
  const std::string_view line = reason.substr(0, reason.find('\n'));
  return {code, std::string(doing) + ": " + std::string(line), hint};
}

Error out_of_memory(std::string_view doing, std::string_view reason) {
  return make_error(ErrorCode::OutOfMemory, doing, reason, kSmaller);
}

Error error_by_text(std::string_view doing, std::string_view text) {
  for (const Sign& sign : kOutOfMemory)
    if (text.find(sign.text) != std::string_view::npos)
      return make_error(ErrorCode::OutOfMemory, doing, text, sign.hint);
  return make_error(ErrorCode::Internal, doing, text, "");
}

}  // namespace

Error error_of_exception_in_flight(std::string_view doing) {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory(doing, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return error_by_text(doing, error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return out_of_memory(doing, "memory ran out");
  } catch (const std::length_error&) {
    return out_of_memory(doing, "more memory than there can be");
  } catch (const std::exception& error) {
    return error_by_text(doing, error.what());
  } catch (...) {
    return make_error(ErrorCode::Internal, doing, "an exception of unknown kind", "");
  }
}

}  // namespace resnetft
