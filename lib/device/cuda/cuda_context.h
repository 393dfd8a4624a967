// SPDX-License-Identifier: MIT
// The driver's contexts, of which CUDA's runtime knows one for each GPU, the primary one. Others in the process may
// keep their memory in contexts of their own, on the same GPU too. All of this is thread-safe.
#pragma once

#include <cuda_runtime_api.h>

#include "resnetft/error.h"

namespace resnetft {

// A CUcontext, which is made by the first call and lives as long as the process. Changes no thread's current one.
Result<void*> primary_context(int ordinal);

// The calling thread's; null where it has none.
Result<void*> current_context();

// The calling thread's stack of contexts, the topmost of which is its current one. cuda_call.h's CurrentContext does
// both.
Status push_context(void* context);
void pop_context();

// Queues a copy from memory of the context `src_context` to memory of `dst_context`, whose GPU is the current one.
Status copy_between_contexts(void* dst, void* dst_context, const void* src, void* src_context, size_t bytes,
                             cudaStream_t stream);

}  // namespace resnetft
