"""Linking and displacements by Atomotion and by trackpy, on the same points.

    cargo build --example bench_dynamics
    python bench_dynamics.py [--example target/debug/examples/bench_dynamics] [--seed 1] [--quick]

Points wander, vanish, come back and appear. Both programs must give the same tracks and the same mean squared displacements;
then the ratio of their times counts. trackpy has numba where that is installed (the table says so), its time is that of
`link` (`imsd`) on a table that is ready, ours that of `Linker::link` (`msd_of_each`) on one. Further, what both make of
crowds: recall of true links, identity switches and fragmentations at increasing density, ours also with classes that are
right nine times in ten; and a crowd that trackpy refuses. Prints Markdown.
Needs what bench_dynamics.in lists.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import trackpy as tp

try:
    import numba

    NUMBA = f"numba {numba.__version__}"
except ImportError:
    NUMBA = "no numba"


def movie(rng, frames, count, size, step, missed=0.0, replaced=0.01, wrong=0.1):
    """Frame, y, x, class as it is seen, and the true track, of every point that is seen."""
    at, true = rng.uniform(0, size, (count, 2)), np.arange(count)
    kind, following, rows = rng.integers(0, 3, count), count, []
    for frame in range(frames):
        seen = rng.random(count) >= missed
        shown = np.where(rng.random(count) < wrong, rng.integers(0, 3, count), kind)
        rows.append(np.column_stack([np.full(seen.sum(), frame), at[seen], shown[seen], true[seen]]))
        at = at + rng.normal(0, step, at.shape)
        gone = rng.random(count) < replaced
        at[gone] = rng.uniform(0, size, (gone.sum(), 2))
        true, kind = true.copy(), kind.copy()
        true[gone] = following + np.arange(gone.sum())
        kind[gone] = rng.integers(0, 3, gone.sum())
        following += gone.sum()
    return np.concatenate(rows)


def ours(program, points, **options):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        points[:, :4].astype("<f8").tofile(folder / "points.f64")
        (folder / "options.json").write_text(json.dumps(options))
        # cargo puts the library one folder up.
        beside = str(Path(program).resolve().parent.parent)
        path = beside + os.pathsep + os.environ.get("LD_LIBRARY_PATH", "")
        subprocess.run([program, str(folder)], check=True, env=dict(os.environ, LD_LIBRARY_PATH=path), stdout=subprocess.DEVNULL)
        result = json.loads((folder / "result.json").read_text())
        msd = np.fromfile(folder / "msd.f64", "<f8").reshape(-1, 3) if options.get("lags") else None
        return np.fromfile(folder / "tracks.u32", "<u4"), result, msd


def theirs(points, search, memory):
    table = pd.DataFrame(points[:, :3], columns=["frame", "y", "x"]).astype({"frame": int})
    start = time.perf_counter()
    linked = tp.link(table, search, memory=memory)
    return linked, time.perf_counter() - start


def by_first(tracks):
    """Tracks numbered by first appearance."""
    _, first, inverse = np.unique(tracks, return_index=True, return_inverse=True)
    number = np.empty(len(first), int)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse]


def quality(points, tracks, memory):
    """Recall of true links, identity switches, and fragmentations."""
    rows = pd.DataFrame({"frame": points[:, 0].astype(int), "true": points[:, 4].astype(int), "track": tracks})
    rows["row"] = np.arange(len(rows))

    def following(by):
        order = rows.sort_values([by, "frame"], kind="stable")
        same = order[by].to_numpy()[1:] == order[by].to_numpy()[:-1]
        near = np.diff(order.frame.to_numpy()) <= memory + 1
        row = order.row.to_numpy()
        return set(zip(row[:-1][same & near], row[1:][same & near]))

    true, made = following("true"), following("track")
    right = len(true & made)
    return right / len(true), len(made - true), len(true) - right


def speed(program, rng, sizes, rounds):
    print(f"| points | frames | memory | the same tracks | ours (s) | trackpy (s) | ratio | largest network |")
    print("| ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |")
    good = True
    for frames, count, memory in sizes:
        points = movie(rng, frames, count, 47.4 * np.sqrt(count), 1.5, missed=0.02)
        results = [ours(program, points, search_px=8.0, memory_frames=memory) for _ in range(rounds)]
        seconds = min(r[1]["seconds"] for r in results)
        linked, their_seconds = min((theirs(points, 8.0, memory) for _ in range(rounds)), key=lambda r: r[1])
        same = (by_first(results[0][0]) == by_first(linked["particle"].to_numpy())).all()
        ratio = their_seconds / seconds
        largest = results[0][1]["largest_network"]
        print(
            f"| {len(points)} | {frames} | {memory} | {'yes' if same else 'NO'} | {seconds:.3f} | {their_seconds:.2f} "
            f"| {ratio:.0f} | {largest} |"
        )
        good &= bool(same) and (len(points) < 900_000 or ratio >= 20)
    return good


def displacements(program, rng, rounds):
    points = movie(rng, 200, 500, 2000.0, 1.5, replaced=0.0)
    results = [ours(program, points, search_px=8.0, memory_frames=0, lags=50) for _ in range(rounds)]
    seconds = min(r[1]["msd_seconds"] for r in results)
    linked, _ = theirs(points, 8.0, 0)
    linked["particle"] = by_first(linked["particle"].to_numpy())
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = tp.imsd(linked, 1.0, 1.0, max_lagtime=50)
        times.append(time.perf_counter() - start)
    mine = pd.DataFrame(results[0][2], columns=["track", "lag", "msd"]).pivot(index="lag", columns="track", values="msd")
    long = [t for t in found.columns if found[t].notna().all()]
    difference = float(np.max(np.abs(mine[long].to_numpy() / found[long].to_numpy() - 1)))
    print(f"\nMean squared displacement of each of {found.shape[1]} tracks, 50 lags, {len(points)} points: ")
    print(f"ours {seconds:.3f} s, trackpy `imsd` {min(times):.2f} s, {min(times) / seconds:.0f} times; ")
    print(f"largest relative difference {difference:.1e} over the {len(long)} tracks that have every lag")
    return difference < 1e-6


def crowds(program, rng):
    print("\n| points in a search circle | linked by | recall of true links | identity switches | fragmentations |")
    print("| ---: | --- | ---: | ---: | ---: |")
    search, count, frames = 8.0, 600, 40
    for density in (0.1, 0.3, 1.0, 2.0, 4.0):
        size = np.sqrt(count * np.pi * search**2 / density)
        points = movie(rng, frames, count, size, 1.5, missed=0.05)
        ways = {
            "ours": ours(program, points, search_px=search, memory_frames=1)[0],
            "ours, class-aware": ours(program, points, search_px=search, memory_frames=1, class_px2=8.0)[0],
        }
        try:
            ways["trackpy"] = theirs(points, search, 1)[0]["particle"].to_numpy()
        except tp.SubnetOversizeException:
            ways["trackpy"] = None
        for name, tracks in ways.items():
            if tracks is None:
                print(f"| {density} | {name} | subnet too large | | |")
                continue
            recall, switches, fragments = quality(points, tracks, 1)
            print(f"| {density} | {name} | {recall:.4f} | {switches} | {fragments} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", default="target/debug/examples/bench_dynamics")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="without the million points")
    arguments = parser.parse_args()
    tp.quiet()
    print(f"trackpy {tp.__version__}, {NUMBA}, seed {arguments.seed}\n")
    # What numba compiles is not what is measured.
    theirs(movie(np.random.default_rng(0), 5, 500, 400.0, 1.5), 8.0, 1)
    rng = np.random.default_rng(arguments.seed)
    sizes = [(100, 100, 0), (100, 1000, 1)] + ([] if arguments.quick else [(1000, 1030, 0), (1000, 1030, 1)])
    good = speed(arguments.example, rng, sizes, 2)
    good &= displacements(arguments.example, rng, 2)
    crowds(arguments.example, rng)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
