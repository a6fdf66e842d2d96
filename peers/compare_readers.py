"""Holds Atomotion's reading of movies against RosettaSciIO's, frame by frame and axis by axis.

    cargo build --example describe_movie
    python compare_readers.py FOLDER [--describe target/debug/examples/describe_movie]

Every file of the folder that RosettaSciIO has a reader for is compared. Needs what compare_readers.in lists.

Of what make_movie_files.py writes, these differ, and it is known why. RosettaSciIO 0.15 reads the pixels of big-endian
Digital Micrograph files in the machine's own order, and bytes of MRC without their sign, which the standard of 2014
gives them. EMD files whose axes are named (time, y, x) in this order are turned by it and not by Atomotion.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

READERS = {
    ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph", ".emd": "emd", ".hspy": "hspy", ".mrc": "mrc",
    ".ser": "tia", ".tif": "tiff", ".tiff": "tiff",
}
LENGTHS = {"nm": 1.0, "Å": 0.1, "pm": 1e-3, "µm": 1e3, "um": 1e3, "micron": 1e3, "mm": 1e6, "m": 1e9}
TIMES = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
NO_UNITS = ("", "None", "<undefined>")


class Differ(Exception):
    """What the two readings do not agree on."""


def peer(path):
    """The datasets that RosettaSciIO finds, as (data, axes)."""
    import importlib

    module = importlib.import_module(f"rsciio.{READERS[path.suffix.lower()]}")
    return [(np.asarray(found["data"]), found["axes"]) for found in module.file_reader(str(path))]


def ours(describe, path, folder, dataset=None):
    """What Atomotion finds, with its frames in `folder`."""
    command = [describe, str(path), "--frames", folder] + (["--dataset", dataset] if dataset else [])
    answer = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if answer.returncode != 0:
        raise Differ(answer.stderr.strip().splitlines()[-1] if answer.stderr.strip() else f"exit {answer.returncode}")
    return json.loads(answer.stdout)


def common(scale, units):
    """In nm or s, where the units are a length or a time."""
    units = str(units).replace("\u03bc", "µ").strip("[]")
    for table, name in ((LENGTHS, "nm"), (TIMES, "s")):
        if units in table:
            return scale * table[units], name
    return scale, units


def compare(describe, path):
    datasets = peer(path)
    images = [(data, axes) for data, axes in datasets if data.ndim in (2, 3) and data.dtype.kind in "biuf"]
    if not images:
        return f"RosettaSciIO finds no real image ({', '.join(f'{d.shape} {d.dtype}' for d, _ in datasets)})"
    if len(images) > 1:
        return f"holds {len(images)} datasets, which are compared one by one by hand"
    data, axes = images[0]
    with tempfile.TemporaryDirectory() as folder:
        found = ours(describe, path, folder)
        data = data if data.ndim == 3 else data[None]
        if list(data.shape) != found["shape"]:
            raise Differ(f"shape {found['shape']} is {list(data.shape)} there")
        for index, frame in enumerate(data):
            mine = np.load(Path(folder) / f"{index}.npy")
            same = (mine == frame.astype("float32")) | (np.isnan(mine) & np.isnan(frame.astype("float32")))
            if not same.all():
                y, x = np.argwhere(~same)[0]
                raise Differ(f"frame {index} at y = {y}, x = {x} is {mine[y, x]}, there {frame[y, x]}")
    for mine, axis in zip(found["axes"][3 - len(axes):], axes, strict=True):
        units = str(axis.get("units"))
        scale, units = common(float(axis["scale"]), "" if units in NO_UNITS else units)
        my_scale, my_units = common(mine["scale"], mine["units"])
        # Where the other reader found nothing, or no unit, what ours found is no contradiction.
        if units == "" and scale in (1.0, my_scale, mine["scale"]):
            continue
        if units != my_units or not np.isclose(scale, my_scale, rtol=1e-6, atol=0):
            raise Differ(f"axis {axis.get('name')}: {mine['scale']} {mine['units']} is {axis['scale']} {axis.get('units')} there")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--describe", default="target/debug/examples/describe_movie")
    arguments = parser.parse_args()
    counts = {"agree": 0, "differ": 0, "not compared": 0}
    for path in sorted(arguments.folder.rglob("*")):
        if path.suffix.lower() not in READERS or not path.is_file():
            continue
        try:
            why = compare(arguments.describe, path)
            kind = "agree" if why is None else "not compared"
        except Differ as problem:
            kind, why = "differ", str(problem)
        except Exception as problem:  # the other reader's own troubles are of every kind
            kind, why = "not compared", f"RosettaSciIO: {type(problem).__name__}: {problem}"
        counts[kind] += 1
        print(f"{kind}: {path.name}" + (f": {why}" if why else ""), flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    sys.exit(1 if counts["differ"] else 0)


if __name__ == "__main__":
    main()
