"""`cargo lab bench classify`: classes by Atomotion beside scikit-learn and SciPy, the same patches, the same answer, one run.

Started by it, with a plan of what to run (JSON). The patches (32 x 32) are cut at the true places of simulated movies. Each
step is run in turn by ours and by the peer, twice, and the shorter time of each counts; ours includes what comes with an
answer (memberships, mean and variance of each class). Agreement is checked, and the program ends with an error where there is
none.
"""

import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.cluster.hierarchy import linkage
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_predict

import processes
import report
from report import say

BEGIN, END = "<!-- written by `cargo lab bench classify --write` -->", "<!-- end of what `bench classify` wrote -->"
ROWS = 10_335
"""Patches, as many as the published analysis had."""
DOSES = {"clean": None, "a third": 20, "as recorded": 5.5}
"""Counts at a W column's peak."""
DOSE_ROWS = 4_000


def timed(work, times=2):
    best, answer = float("inf"), None
    for _ in range(times):
        start = time.perf_counter()
        answer = work()
        best = min(best, time.perf_counter() - start)
    return best, answer


class Bench:
    def __init__(self, plan):
        self.clone, self.folder = Path(plan["clone"]), Path(plan["folder"])
        self.many = plan["many"]
        self.lines, self.faults = [], []
        self.made("patches", ROWS)
        self.x, self.species = self.patches("patches")

    def example(self, *words):
        command = ["cargo", "run", "--quiet", "--example", "bench_classify", "--", *map(str, words)]
        subprocess.run(command, cwd=self.clone, check=True, stdout=subprocess.DEVNULL)

    def made(self, name, rows, *counts, first=1):
        """Patches of simulated movies, drawn once: they depend on seeds alone."""
        folder = self.folder / name
        if not (folder / "species.txt").exists():
            say(f"drawing {rows} patches ({name})")
            self.example("make", folder, rows, first, *counts)
        return folder

    def patches(self, name):
        folder = self.folder / name
        x = np.fromfile(folder / "patches.f32", "<f4").reshape(-1, 32 * 32)
        return x, np.array((folder / "species.txt").read_text().split("\n"))

    def ours(self, step):
        self.example("run", self.folder / "patches", step)
        return json.loads((self.folder / f"patches/{step}.json").read_text())["seconds"]

    def array(self, name):
        return np.fromfile(self.folder / f"patches/{name}.f64", "<f8")

    def row(self, name, ours, theirs, wanted, agreement, agree):
        ratio = theirs / ours
        self.lines.append(f"| {name} | {theirs:.2f} | {ours:.2f} | **{ratio:.1f}** | {wanted} | {agreement} |")
        say(self.lines[-1])
        if not agree:
            self.faults.append(f"{name}: {agreement}")

    def kmeans(self):
        ours = self.ours("kmeans")
        theirs, best = timed(lambda: KMeans(6, n_init=10, random_state=0).fit(self.x))
        labels = self.array("kmeans").astype(int)
        inertia = sum(((self.x[labels == c] - self.x[labels == c].mean(0)) ** 2).sum(dtype=float) for c in set(labels))
        rows = np.random.default_rng(0).choice(len(self.x), 6, replace=False)
        (self.folder / "patches/rows.txt").write_text(" ".join(map(str, rows)))
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

    def steps(self):
        self.kmeans()
        self.pca()
        self.mixture("diagonal", "mixture, diagonal, 1,024 dimensions, 1 start", self.x, covariance_type="diag")
        scores = PCA(16, svd_solver="full").fit_transform(self.x)
        self.mixture("full", "PCA to 16 and mixture, full, 10 starts", scores, covariance_type="full", n_init=10)
        self.ward()
        head = "| step | scikit-learn, SciPy (s) | ours (s) | ratio | wanted | the same answer |\n| --- | ---: | ---: | ---: | ---: | --- |"
        return "\n".join([head, *self.lines])

    def truth(self):
        """Adjusted Rand index of every method against the species, and where each species went by the best."""
        columns, notes = [], []
        for dose, counts in DOSES.items():
            folder = self.made(f"dose-{dose.replace(' ', '-')}", DOSE_ROWS, *([counts] if counts else []))
            self.made(f"{folder.name}/motifs", DOSE_ROWS, *([counts] if counts else []), first=1_000)
            for old in folder.glob("sorted.*"):
                old.unlink()
            self.example("run", folder, "sorted")
            species = np.array((folder / "species.txt").read_text().split("\n"))
            found = {f.name[7:-4]: np.fromfile(f, "<f8").astype(int) for f in sorted(folder.glob("sorted.*.f64"))}
            columns.append({name: adjusted_rand_score(species, labels) for name, labels in found.items()})
            best = max(found, key=lambda name: columns[-1][name])
            notes.append(f"{dose}, {best}: " + "; ".join(confusion(species, found[best])))
            taught = self.taught(folder, species)
            columns[-1]["*a linear discriminant that is taught the truth, within 0.25 nm*"] = adjusted_rand_score(species, taught)
            notes.append(f"{dose}, the discriminant: " + "; ".join(confusion(species, taught)))
        rows = [[name, *(f"{column[name]:.2f}" for column in columns)] for name in columns[0]]
        return report.table(["6 classes, if not said otherwise, by", *DOSES], rows) + "\n\n" + "\n".join(f"- {note}" for note in notes)

    def taught(self, folder, species):
        """What can be told apart at all by a plane between species: scikit-learn's discriminant, fitted to the truth of four
        fifths of the patches and tried on the others."""
        x, _ = self.patches(folder.name)
        y = np.arange(32) - 15.5
        return cross_val_predict(LinearDiscriminantAnalysis(), x[:, np.hypot(*np.meshgrid(y, y)).ravel() < 8], species)

    def large(self):
        if not self.many:
            return "Left out (`--many 0`)."
        folder = self.made(f"many-{self.many}", self.many)
        self.example("run", folder, "all")
        rows = [[line["name"], f"{line['seconds']:.1f}", f"{line['gb']:.1f}"]
                for line in json.loads((folder / "all.json").read_text())]
        tree = json.loads((folder / "tree.json").read_text())
        note = (f"The approximate tree beside the exact one of {tree['patches']} of the patches, both cut at six classes: adjusted "
                f"Rand index {tree['likeness']:.2f}.")
        return report.table([f"{self.many:,} patches", "s", "most memory so far (GB)"], rows) + "\n\n" + note


def confusion(species, labels):
    """For each class of at least 2 %, the species in it."""
    for label in sorted(set(labels)):
        inside = species[labels == label]
        if len(inside) >= 0.02 * len(labels):
            names, counts = np.unique(inside, return_counts=True)
            order = np.argsort(-counts)
            parts = [f"{names[i]} {100 * counts[i] / len(inside):.0f} %" for i in order if counts[i] >= 0.05 * len(inside)]
            yield f"class {label} ({len(inside)}) " + ", ".join(parts)


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    begun = time.perf_counter()
    bench = Bench(plan)
    here = processes.machine()
    text = [f"`{plan['command']}`, {time.strftime('%Y-%m-%d')}: {here['cores']} cores of {here['cpu']}, {plan['rustc']}, Python "
            f"{platform.python_version()}, scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, load {here['load']:.1f} "
            f"before. {len(bench.x)} patches of 32 x 32."]
    text += report.told([
        ("### Beside scikit-learn and SciPy", bench.steps),
        (f"### Against the true species: adjusted Rand index ({DOSE_ROWS} patches at each dose)", bench.truth),
        ("### Many patches", bench.large),
    ])
    report.keep(plan, bench.folder / "classify.md", text, BEGIN, END)
    say(f"\n{(time.perf_counter() - begun) / 60:.0f} minutes. Tables: {bench.folder / 'classify.md'}")
    if bench.faults:
        sys.exit("Not the same answer:\n" + "\n".join(bench.faults))


if __name__ == "__main__":
    main()
