"""Classes by Atomotion beside scikit-learn and SciPy: the same patches, the same answer, one run.

    cargo build --example bench_classify
    python bench_classify.py [--program target/debug/examples/bench_classify] [--rows 10335] [--many 100000]

The patches (32 x 32) are cut at the true places of simulated movies. Each step is run in turn by ours and by the peer, twice,
and the shorter time of each counts; ours includes what comes with an answer (memberships, mean and variance of each class).
Agreement is checked, and the program ends with an error where there is none. Needs what bench_classify.in lists.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.cluster.hierarchy import linkage
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

FOLDER = Path(__file__).resolve().parent.parent


def run(program, *arguments):
    # The library is a shared object beside the folder of examples.
    folder = str(Path(program).resolve().parent.parent)
    surroundings = dict(os.environ, LD_LIBRARY_PATH=folder + os.pathsep + os.environ.get("LD_LIBRARY_PATH", ""))
    subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, env=surroundings)


def timed(work, times=2):
    best, answer = float("inf"), None
    for _ in range(times):
        start = time.perf_counter()
        answer = work()
        best = min(best, time.perf_counter() - start)
    return best, answer


class Bench:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.lines, self.faults = [], []
        self.x = np.fromfile(folder / "patches.f32", "<f4").reshape(-1, 32 * 32)
        self.species = (folder / "species.txt").read_text().split("\n")

    def ours(self, step):
        run(self.program, "run", self.folder, step)
        return json.loads((self.folder / f"{step}.json").read_text())["seconds"]

    def array(self, name):
        return np.fromfile(self.folder / f"{name}.f64", "<f8")

    def row(self, name, ours, theirs, wanted, agreement, agree):
        ratio = theirs / ours
        self.lines.append(f"| {name} | {theirs:.2f} | {ours:.2f} | **{ratio:.1f}** | {wanted} | {agreement} |")
        print(self.lines[-1], flush=True)
        if not agree:
            self.faults.append(f"{name}: {agreement}")

    def kmeans(self):
        ours = self.ours("kmeans")
        theirs, best = timed(lambda: KMeans(6, n_init=10, random_state=0).fit(self.x))
        labels = self.array("kmeans").astype(int)
        inertia = sum(((self.x[labels == c] - self.x[labels == c].mean(0)) ** 2).sum(dtype=float) for c in set(labels))
        rows = np.random.default_rng(0).choice(len(self.x), 6, replace=False)
        (self.folder / "rows.txt").write_text(" ".join(map(str, rows)))
        self.ours("from_rows")
        same = KMeans(6, init=self.x[rows], n_init=1).fit(self.x).labels_
        likeness = adjusted_rand_score(same, self.array("from_rows").astype(int))
        self.row("k-means, 6 classes, 10 starts", ours, theirs, "1.5", f"inertia {inertia / best.inertia_:.5f} of theirs; "
                 f"same start: adjusted Rand index {likeness:.4f}", likeness > 0.99 and inertia < 1.01 * best.inertia_)

    def pca(self):
        ours = self.ours("pca")
        theirs, _ = timed(lambda: PCA(16).fit_transform(self.x))
        x = self.x.astype(float)
        exact = np.linalg.eigvalsh(np.cov(x.T))[::-1][:16]
        worst = np.abs(self.array("pca") / exact - 1).max()
        self.row("PCA to 16, with scores", ours, theirs, "1", f"eigenvalues within {worst:.0e} of the exact ones", worst < 1e-4)

    def mixture(self, step, name, x, **options):
        ours = self.ours(step)
        theirs, best = timed(lambda: GaussianMixture(6, random_state=0, **options).fit(x))
        mine, score = self.array(f"{step}.likelihood")[0], best.score(x)
        likeness = adjusted_rand_score(best.predict(x), self.array(step).astype(int))
        self.row(name, ours, theirs, "1", f"log-likelihood of a patch {mine:.3f}, theirs {score:.3f}; "
                 f"adjusted Rand index {likeness:.3f}", mine > score - 2e-3)

    def ward(self):
        ours = self.ours("ward")
        theirs, tree = timed(lambda: linkage(self.x, "ward"), 1)
        mine = self.array("ward").reshape(-1, 4)
        worst = np.abs(mine[:, 2] / tree[:, 2] - 1).max()
        same = (np.sort(mine[:, :2], 1) == np.sort(tree[:, :2], 1)).all(1).mean()
        # Two merges of the same height to six digits may stand in either order, and their numbers with them.
        self.row("Ward linkage", ours, theirs, "6", f"heights within {worst:.0e}; {100 * same:.2f} % of the rows of the table "
                 "the same", worst < 1e-4)

    def truth(self):
        known = np.unique(self.species, return_inverse=True)[1]
        for step in ("kmeans", "diagonal", "full"):
            print(f"{step}: adjusted Rand index against the species {adjusted_rand_score(known, self.array(step)):.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=os.environ.get("CARGO_TARGET_DIR", FOLDER / "target"), type=Path)
    parser.add_argument("--rows", default=10335, type=int)
    parser.add_argument("--many", default=100_000, type=int)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    program = options.program
    if program.is_dir():
        program = program / "debug/examples/bench_classify"
    folder = options.folder or Path(tempfile.mkdtemp())
    if not (folder / "patches.f32").exists():
        run(program, "make", folder, options.rows)
    bench = Bench(program, folder)
    print(f"{len(bench.x)} patches of 32 x 32, {os.cpu_count()} cores, Python {platform.python_version()}, scikit-learn "
          f"{sklearn.__version__}, SciPy {scipy.__version__}\n")
    print("| step | scikit-learn, SciPy (s) | ours (s) | ratio | wanted | the same answer |\n| --- | --- | --- | --- | --- | --- |")
    bench.kmeans()
    bench.pca()
    bench.mixture("diagonal", "mixture, diagonal, 1,024 dimensions, 1 start", bench.x, covariance_type="diag")
    scores = PCA(16, svd_solver="full").fit_transform(bench.x)
    bench.mixture("full", "PCA to 16 and mixture, full, 10 starts", scores, covariance_type="full", n_init=10)
    bench.ward()
    bench.truth()
    if options.many:
        many = folder / "many"
        if not (many / "patches.f32").exists():
            run(program, "make", many, options.many)
        run(program, "run", many, "all")
        print(f"\n| {options.many} patches | s | most memory so far (GB) |\n| --- | --- | --- |")
        for line in json.loads((many / "all.json").read_text()):
            print(f"| {line['name']} | {line['seconds']:.1f} | {line['gb']:.1f} |")
    if bench.faults:
        sys.exit("Not the same answer:\n" + "\n".join(bench.faults))


if __name__ == "__main__":
    main()
