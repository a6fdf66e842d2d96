"""Opens what Atomotion saved in tifffile (as ImageJ files), h5py, NumPy and HyperSpy: numbers, axes, units.

    cargo run --example saved_movies -- FOLDER
    python check_saved.py FOLDER

Needs what check_saved.in lists.
"""

import argparse
import sys
from pathlib import Path

import h5py
import hyperspy.api as hs
import numpy as np
import tifffile

NM, S, TOP, LEFT = 0.0315, 0.25, 2, 1


def expected(frames):
    """The formula of examples/saved_movies.rs."""
    t, y, x = np.mgrid[0:frames, TOP:13, LEFT:18]
    return 45 * t + 3 * y + x


def same(found, wanted, dtype, path):
    assert found.dtype == np.dtype(dtype), f"{path.name}: {found.dtype} is not {dtype}"
    assert np.array_equal(found, wanted), f"{path.name}: other numbers"


def near(found, wanted, what):
    assert np.isclose(found, wanted, rtol=1e-8, atol=1e-12), f"{what}: {found} is not {wanted}"


def tiff(path, wanted, dtype):
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej and len(file.pages) == len(wanted), path.name
        same(file.asarray().reshape(wanted.shape), wanted, dtype, path)
        said = file.imagej_metadata
        assert said["unit"] == "nm" and said["images"] == len(wanted), said
        near(said["xorigin"], -LEFT, path.name)
        near(said["yorigin"], -TOP, path.name)
        if len(wanted) > 1:
            near(said["finterval"], S, path.name)
        for tag in ("XResolution", "YResolution"):
            above, below = file.pages[0].tags[tag].value
            near(below / above, NM, f"{path.name} {tag}")


def emd(path, wanted, dtype):
    with h5py.File(path) as file:
        same(file["data/movie/data"][()].reshape(wanted.shape), wanted, dtype, path)
        assert "crop rows 2..13" in file["comments"].attrs["history"].decode()
    signal = hs.load(path)
    assert not isinstance(signal, list), f"{path.name}: {signal}"
    axes = signal.axes_manager
    # As they lie in the array, slowest first.
    order = sorted(axes._axes, key=lambda axis: axis.index_in_array)
    same(signal.data.reshape(wanted.shape), wanted, dtype, path)
    names = ["time", "y", "x"][-len(order):]
    wanted_axes = {"time": (S, 0.0, "s"), "y": (NM, TOP * NM, "nm"), "x": (NM, LEFT * NM, "nm")}
    for axis, name in zip(order, names, strict=True):
        scale, offset, units = wanted_axes[name]
        assert axis.name == name and str(axis.units) == units, f"{path.name}: {axis}"
        near(axis.scale, scale, f"{path.name} {name}")
        near(axis.offset, offset, f"{path.name} {name}")


def npy(path, wanted, dtype):
    same(np.load(path), wanted, dtype, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    checks = {".tif": tiff, ".emd": emd, ".npy": npy}
    files = sorted(path for path in folder.iterdir() if path.suffix in checks)
    assert len(files) == 18, f"{len(files)} files instead of 18"
    bad = 0
    for path in files:
        kind, dtype = path.stem.split("_")
        try:
            checks[path.suffix](path, expected(5 if kind == "movie" else 1), "<" + dtype)
            print(f"agrees: {path.name}")
        except AssertionError as problem:
            bad += 1
            print(f"differs: {path.name}: {problem}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
