// SPDX-License-Identifier: MIT
// A kernel's text is compiled twice: by nvcc for the GPU, and by the host's compiler for tests on machines without
// one, which run it for each block and thread in turn.
#pragma once

#ifdef __CUDACC__
#define RESNETFT_DEVICE __device__
#else
#define RESNETFT_DEVICE
#endif
