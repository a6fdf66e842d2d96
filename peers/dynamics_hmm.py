"""Forward-backward beside hmmlearn, and matrix exponentials beside SciPy, on the same numbers: part of bench_dynamics.py.

Ours must give hmmlearn's log-likelihoods and posteriors, and SciPy's exponentials, to 1e-8. hmmlearn is timed in both of
its implementations, and the faster one counts.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import report
import scipy
import scipy.linalg
from hmmlearn import __version__ as HMMLEARN
from hmmlearn.base import BaseHMM

EXACT = 1e-8


class FromLikelihoods(BaseHMM):
    """A model whose observations are the log-likelihoods themselves."""

    def _compute_log_likelihood(self, X):
        return X

    def _compute_likelihood(self, X):
        return np.exp(X)

    def _check(self):
        pass


def model(start, transition, how):
    peer = FromLikelihoods(n_components=len(start), implementation=how)
    peer.startprob_, peer.transmat_ = start, transition
    return peer


def data(rng, states, tracks, frames):
    transition = rng.dirichlet(np.ones(states), states) * 0.1 + 0.9 * np.eye(states)
    transition[0, -1] = 0.0  # a move that is forbidden
    transition /= transition.sum(1, keepdims=True)
    lengths = rng.integers(frames // 2, frames + frames // 2, tracks)
    log = rng.normal(0.0, 2.0, (lengths.sum(), states))
    generators = rng.exponential(1.0, (20, states, states)) * 10.0 ** rng.uniform(-4, 2, (20, 1, 1))
    generators *= rng.random(generators.shape) < 0.6
    for q in generators:
        np.fill_diagonal(q, 0.0)
        np.fill_diagonal(q, -q.sum(1))
    return rng.dirichlet(np.ones(states)), transition, lengths, log, generators


def beside(bench, rng, states, tracks, frames):
    """A row of the table, and how far numbers are apart: posteriors, log-likelihood of a track, exponentials."""
    start, transition, lengths, log, generators = data(rng, states, tracks, frames)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, values in [("start", start), ("transition", transition), ("lengths", lengths), ("log", log),
                             ("generators", generators)]:
            np.asarray(values, "<f8").tofile(folder / f"{name}.f64")
        ours = bench.example("hmm", folder)["seconds"]
        ours_log = np.fromfile(folder / "ours_log.f64")
        ours_posterior = np.fromfile(folder / "ours_posterior.f64").reshape(log.shape)
        ours_exponentials = np.fromfile(folder / "ours_exponentials.f64").reshape(generators.shape)
    times, far, off = [], 0.0, 0.0
    for how in ("scaling", "log"):
        peer = model(start, transition, how)
        for _ in range(2):
            begun = time.perf_counter()
            total, posterior = peer.score_samples(log, lengths)
            times.append(time.perf_counter() - begun)
        far = max(far, float(np.abs(posterior - ours_posterior).max()))
        off = max(off, abs(total - ours_log.sum()) / len(lengths))
    each = model(start, transition, "log")
    ends = np.cumsum(lengths)[:200]
    off = max(off, *(abs(each.score(log[e - n:e]) - o) for e, n, o in zip(ends, lengths, ours_log)))
    wanted = np.array([scipy.linalg.expm(q) for q in generators])
    exponentials = float(np.abs(wanted - ours_exponentials).max())
    theirs = min(times)
    row = [f"{tracks} tracks, {states} states", str(len(log)), f"{ours:.4f}", f"{theirs:.3f}", f"{theirs / ours:.1f}",
           f"{far:.0e}", f"{off:.0e}", f"{exponentials:.0e}"]
    return row, max(far, off, exponentials) < EXACT


def table(bench, rng):
    rows = [beside(bench, rng, *size) for size in [(3, 8000, 100), (6, 4000, 100), (8, 4000, 100), (19, 800, 100)]]
    head = ["forward-backward", "frames", "ours, s", "hmmlearn, s", "ratio", "posteriors differ by",
            "log-likelihood of a track by", "exponentials (SciPy) by"]
    return report.table(head, [row for row, _ in rows]), all(good for _, good in rows)


def versions():
    return f"hmmlearn {HMMLEARN}, SciPy {scipy.__version__}"
