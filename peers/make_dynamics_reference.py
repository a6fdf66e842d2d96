"""Writes what trackpy makes of small movies of points, for tests/dynamics.rs.

    python make_dynamics_reference.py ../tests/data/dynamics

Columns: case, search range, memory, frame, y, x, track. Needs what bench_dynamics.in lists.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import trackpy as tp
from dynamics_linking import by_first, movie, theirs


def main():
    tp.quiet()
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for case, (search, memory, missed, size) in enumerate(
        [(6.0, 0, 0.0, 150.0), (8.0, 0, 0.1, 130.0), (8.0, 2, 0.2, 150.0), (10.0, 1, 0.1, 140.0)]
    ):
        points = movie(np.random.default_rng(case), 12, 60, size, 1.5, missed=missed, replaced=0.03)
        points[:, 1:3] = points[:, 1:3].round(4)
        linked, _ = theirs(points, search, memory)
        tables.append(
            pd.DataFrame(
                {
                    "case": case,
                    "search_px": search,
                    "memory_frames": memory,
                    "frame": points[:, 0].astype(int),
                    "y_px": points[:, 1],
                    "x_px": points[:, 2],
                    "track": by_first(linked["particle"].to_numpy()),
                }
            )
        )
    pd.concat(tables).to_csv(folder / "trackpy.csv", index=False)


if __name__ == "__main__":
    main()
