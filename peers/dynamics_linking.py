"""Linking and displacements beside trackpy, on the same points: part of bench_dynamics.py.

Points wander, vanish, come back and appear. Both programs must give the same tracks and the same mean squared displacements;
then the ratio of their times counts. Its time is that of `link` (`imsd`) on a table that is ready, ours that of
`Linker::link` (`msd_of_each`) on one. Further, what each makes of crowds.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import report
import trackpy as tp

try:
    import numba

    NUMBA = f"numba {numba.__version__}"
except ImportError:
    NUMBA = "no numba"
SEARCH_PX = 8.0


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


def ours(bench, points, **options):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        points[:, :4].astype("<f8").tofile(folder / "points.f64")
        (folder / "options.json").write_text(json.dumps(options))
        result = bench.example("link", folder)
        msd = np.fromfile(folder / "msd.f64", "<f8").reshape(-1, 3) if options.get("lags") else None
        return np.fromfile(folder / "tracks.f64", "<f8").astype(int), result, msd


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


def links(points, tracks, memory):
    """Pairs of rows that follow each other in a track."""
    rows = pd.DataFrame({"frame": points[:, 0].astype(int), "track": tracks, "row": np.arange(len(points))})
    rows = rows.sort_values(["track", "frame"], kind="stable")
    same = rows.track.to_numpy()[1:] == rows.track.to_numpy()[:-1]
    near = np.diff(rows.frame.to_numpy()) <= memory + 1
    row = rows.row.to_numpy()
    return set(zip(row[:-1][same & near], row[1:][same & near]))


def quality(true, made):
    """Recall of true links, links that are not true (identity switches), and true links that are not made (fragments)."""
    right = len(true & made)
    return [f"{right / len(true):.4f}", str(len(made - true)), str(len(true) - right)]


def speed(bench, rng, sizes, rounds):
    rows, good = [], True
    for frames, count, memory in sizes:
        points = movie(rng, frames, count, 47.4 * np.sqrt(count), 1.5, missed=0.02)
        results = [ours(bench, points, search_px=SEARCH_PX, memory_frames=memory) for _ in range(rounds)]
        seconds = min(r[1]["seconds"] for r in results)
        # The long one of theirs once: its spread is far less than what is asked for.
        times = 1 if len(points) > 500_000 else rounds
        linked, their_seconds = min((theirs(points, SEARCH_PX, memory) for _ in range(times)), key=lambda r: r[1])
        same = bool((by_first(results[0][0]) == by_first(linked["particle"].to_numpy())).all())
        ratio = their_seconds / seconds
        rows.append([str(len(points)), str(frames), str(memory), "yes" if same else "NO", f"{seconds:.3f}",
                     f"{their_seconds:.2f}", f"{ratio:.0f}", str(results[0][1]["largest_network"])])
        good &= same and (len(points) < 900_000 or ratio >= 20)
    head = ["points", "frames", "memory", "the same tracks", "ours, s", "trackpy, s", "ratio", "largest network"]
    return report.table(head, rows), good


def displacements(bench, rng, rounds):
    points = movie(rng, 200, 300, 2000.0, 1.5, replaced=0.0)
    results = [ours(bench, points, search_px=SEARCH_PX, memory_frames=0, lags=50) for _ in range(rounds)]
    seconds = min(r[1]["msd_seconds"] for r in results)
    linked, _ = theirs(points, SEARCH_PX, 0)
    linked["particle"] = by_first(linked["particle"].to_numpy())
    start = time.perf_counter()
    found = tp.imsd(linked, 1.0, 1.0, max_lagtime=50)
    their_seconds = time.perf_counter() - start
    mine = pd.DataFrame(results[0][2], columns=["track", "lag", "msd"]).pivot(index="lag", columns="track", values="msd")
    long = [t for t in found.columns if found[t].notna().all()]
    difference = float(np.max(np.abs(mine[long].to_numpy() / found[long].to_numpy() - 1)))
    text = (f"Mean squared displacement of each of {found.shape[1]} tracks, 50 lags, {len(points)} points: ours "
            f"{seconds:.3f} s, trackpy's `imsd` {their_seconds:.2f} s, {their_seconds / seconds:.0f} times; largest relative "
            f"difference {difference:.1e} over the {len(long)} tracks that have every lag.")
    return text, difference < 1e-6


def crowds(bench, rng, atomai):
    """`atomai` gives the links that AtomAI makes, or is none."""
    rows = []
    count, frames = 600, 40
    for density in (0.1, 0.3, 1.0, 2.0, 4.0):
        size = np.sqrt(count * np.pi * SEARCH_PX**2 / density)
        points = movie(rng, frames, count, size, 1.5, missed=0.05)
        true = links(points, points[:, 4].astype(int), 1)
        ways = {
            "ours": links(points, ours(bench, points, search_px=SEARCH_PX, memory_frames=1)[0], 1),
            "ours, class-aware":
                links(points, ours(bench, points, search_px=SEARCH_PX, memory_frames=1, class_px2=8.0)[0], 1),
        }
        try:
            ways["trackpy"] = links(points, theirs(points, SEARCH_PX, 1)[0]["particle"].to_numpy(), 1)
        except tp.SubnetOversizeException:
            ways["trackpy"] = None
        if atomai:
            ways["AtomAI"] = atomai(points, SEARCH_PX)
        for name, made in ways.items():
            rows.append([str(density), name, *(quality(true, made) if made is not None else ["subnet too large", "", ""])])
    head = ["points in a search circle", "linked by", "recall of true links", "identity switches", "fragmentations"]
    return report.table(head, rows)


def warm():
    """What numba compiles is not what is measured."""
    tp.quiet()
    theirs(movie(np.random.default_rng(0), 5, 500, 400.0, 1.5), SEARCH_PX, 1)


def versions():
    return f"trackpy {tp.__version__} with {NUMBA}"
