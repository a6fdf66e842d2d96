"""Loads libtorch from a folder and says whether it can use CUDA: probe_libtorch.py LIB

Prints one line: `cuda`, or `cpu`. Fails with the loader's message if libtorch cannot be loaded.
"""

import ctypes
import sys
from pathlib import Path

folder = Path(sys.argv[1])
cuda = folder / "libtorch_cuda.so"
for name in ["libtorch_cpu.so", *(["libtorch_cuda.so"] if cuda.exists() else [])]:
    torch = ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
available = torch["_ZN5torch4cuda12is_availableEv"]  # torch::cuda::is_available()
available.restype = ctypes.c_bool
print("cuda" if available() else "cpu")
