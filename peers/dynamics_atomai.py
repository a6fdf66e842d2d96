"""AtomAI's trajectories and transition matrices, for bench_dynamics.py, which starts it in AtomAI's own environment.

    python dynamics_atomai.py FOLDER

`points.f64` (frame, y, x, row of each point) gives `links.f64` (pairs of rows that follow each other in a trajectory from
the first frame); `called0.f64` to `called3.f64` (states of tracks of 16 frames, one after the other) give `matrix0.f64` to
`matrix3.f64`. `search.f64` has the largest step.
"""

import sys
from pathlib import Path

import numpy as np
from atomai.stat.multivar import calculate_transition_matrix, imlocal, sum_transitions

LENGTH, STATES = 16, 8


def trajectories(folder):
    points = np.fromfile(folder / "points.f64").reshape(-1, 4)
    search = float(np.fromfile(folder / "search.f64")[0])
    frames = {int(f): points[points[:, 0] == f][:, 1:] for f in np.unique(points[:, 0])}
    made = set()
    for start in frames[0][:, :2]:
        flow, _ = imlocal.get_trajectory(frames, start, search)
        rows = flow[:, 2].astype(int)
        made.update(zip(rows[:-1], rows[1:]))
    np.array(sorted(made), "<f8").tofile(folder / "links.f64")


def matrices(folder):
    for path in sorted(folder.glob("called?.f64")):
        called = np.fromfile(path).astype(int).reshape(-1, LENGTH)
        # Its own steps: states renumbered from 0 in each trajectory, a matrix of each, then their sum. It counts classes
        # from 1.
        flows = [np.column_stack([np.zeros((LENGTH, 2)), track + 1]) for track in called]
        transitions = [calculate_transition_matrix(np.unique(track, return_inverse=True)[1]) for track in called]
        matrix = sum_transitions({"trajectories": flows, "transitions": transitions}, STATES)
        np.asarray(matrix, "<f8").tofile(folder / path.name.replace("called", "matrix"))


if __name__ == "__main__":
    where = Path(sys.argv[1])
    if (where / "points.f64").exists():
        trajectories(where)
    else:
        matrices(where)
