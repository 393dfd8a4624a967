# SPDX-License-Identifier: MIT
# Read by run.sh and bench.sh: where the programs in $programs find cuDNN and LibTorch, which Python's packages bring.
cudnn=$(python3 -c 'import nvidia.cudnn as package; print(package.__path__[0] + "/lib")' 2>/dev/null || true)
torch=$(python3 -c 'import torch; print(torch.__path__[0] + "/lib")' 2>/dev/null || true)
export LD_LIBRARY_PATH=$programs${torch:+:$torch}${cudnn:+:$cudnn}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
