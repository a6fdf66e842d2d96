"""Forward-backward beside hmmlearn, and matrix exponentials beside SciPy, on the same numbers.

    python peers/bench_markov.py PATH/TO/examples/bench_markov [--tracks 4000] [--frames 100] [--states 6]

Ours must give hmmlearn's log-likelihoods and posteriors, and SciPy's exponentials, to 1e-8; then the times are printed as
a Markdown table. hmmlearn is timed in both of its implementations, and the faster one counts.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import scipy
import scipy.linalg
from hmmlearn import __version__ as hmmlearn_version
from hmmlearn.base import BaseHMM


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


def data(states, tracks, frames, seed):
    rng = np.random.default_rng(seed)
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--tracks", type=int, default=4000)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--states", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    start, transition, lengths, log, generators = data(asked.states, asked.tracks, asked.frames, asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, values in [("start", start), ("transition", transition), ("lengths", lengths), ("log", log),
                             ("generators", generators)]:
            np.asarray(values, "<f8").tofile(folder / f"{name}.f64")
        said = subprocess.run([asked.program, "hmm", str(folder)], check=True, capture_output=True, text=True).stdout
        ours = float(said.split()[-1])
        ours_log = np.fromfile(folder / "ours_log.f64")
        ours_posterior = np.fromfile(folder / "ours_posterior.f64").reshape(log.shape)
        ours_exponentials = np.fromfile(folder / "ours_exponentials.f64").reshape(generators.shape)
    times, faults = {}, []
    for how in ("scaling", "log"):
        peer = model(start, transition, how)
        times[how] = np.inf
        for _ in range(2):
            begun = time.perf_counter()
            total, posterior = peer.score_samples(log, lengths)
            times[how] = min(times[how], time.perf_counter() - begun)
        far = np.abs(posterior - ours_posterior).max()
        off = abs(total - ours_log.sum()) / len(lengths)
        print(f"hmmlearn {how}: posteriors differ by at most {far:.1e}, log-likelihoods by {off:.1e} a track")
        if far > 1e-8 or off > 1e-8:
            faults.append(f"hmmlearn ({how}) gives other numbers")
    each = model(start, transition, "log")
    ends = np.cumsum(lengths)[:200]
    off = max(abs(each.score(log[e - n:e]) - o) for e, n, o in zip(ends, lengths, ours_log))
    if off > 1e-8:
        faults.append(f"log-likelihood of a track differs by {off:.1e}")
    wanted = np.array([scipy.linalg.expm(q) for q in generators])
    far = np.abs(wanted - ours_exponentials).max()
    print(f"SciPy's expm: {len(generators)} generators differ by at most {far:.1e}")
    if far > 1e-8:
        faults.append("SciPy gives other exponentials")
    theirs = min(times.values())
    print("\n| forward-backward | frames | Atomotion (s) | hmmlearn (s) | times as fast |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| {asked.tracks} tracks, {asked.states} states | {len(log)} | {ours:.4f} | {theirs:.3f} | {theirs / ours:.1f} |")
    print(f"\nhmmlearn {hmmlearn_version}, SciPy {scipy.__version__}")
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
