# SPDX-License-Identifier: MIT
# Read by run.sh, bench.sh and gstreamer.sh: RESNETFT_CUDNN and RESNETFT_TORCH are the folders of Python's packages that
# hold cuDNN and LibTorch, or empty; RESNETFT_LIBRARIES is where the programs in $programs look for libraries. All else,
# Python too, goes by the machine's own path.
if [ -z "${RESNETFT_LIBRARIES:-}" ]; then
  # usage: libraries_of PACKAGE   without importing it: torch alone reads gigabytes
  libraries_of() {
    python3 - "$1" 2>/dev/null <<'END' || true
import importlib.util, sys
print(importlib.util.find_spec(sys.argv[1]).submodule_search_locations[0] + "/lib")
END
  }
  RESNETFT_CUDNN=$(libraries_of nvidia.cudnn)
  RESNETFT_TORCH=$(libraries_of torch)
  RESNETFT_LIBRARIES=$programs${RESNETFT_TORCH:+:$RESNETFT_TORCH}${RESNETFT_CUDNN:+:$RESNETFT_CUDNN}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  # C++'s runtime that the bundle brings, where the machine's is older than the compiler that built this.
  if grep -qE '(GLIBCXX|CXXABI|GCC_|libstdc\+\+|libgcc_s).* not found' \
       <<<"$(LD_LIBRARY_PATH=$RESNETFT_LIBRARIES ldd "$programs"/gpu_* "$programs"/*.so 2>&1)"; then
    RESNETFT_LIBRARIES=$programs/runtime:$RESNETFT_LIBRARIES
  fi
  export RESNETFT_CUDNN RESNETFT_TORCH RESNETFT_LIBRARIES
fi
