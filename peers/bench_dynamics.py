"""`cargo lab bench dynamics`: tracks and the Markov model, beside other programs, baselines and limits.

Started by it with a plan of what to run (JSON), in the environment that has trackpy and hmmlearn; AtomAI runs in its own
(dynamics_atomai.py). Seeds come with the plan: those of the movies are none that development used.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dynamics_hmm
import dynamics_linking
import numpy as np
import processes
import report
from report import say

BEGIN, END = "<!-- written by `cargo lab bench dynamics --write` -->", "<!-- end of what `bench dynamics` wrote -->"
DOSES, HOPS = (5.5, 20.0, 70.0), (0.02, 0.15)
SETS_OF_TRACKS, SETS_OF_PHYSICS, BACK = 6, 60, 2
T95 = {29: 2.05, 1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


class Bench:
    def __init__(self, plan):
        self.plan, self.clone = plan, Path(plan["clone"])
        self.good = True

    def example(self, *words, environment=None):
        """The last line of a step of examples/bench_dynamics."""
        command = ["cargo", "run", "--quiet", "--example", "bench_dynamics", "--", *map(str, words)]
        done = subprocess.run(command, cwd=self.clone, env=environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench_dynamics {' '.join(map(str, words))} has failed:\n{done.stderr}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def examples(self, steps):
        """The same of many steps of which no time is told: one on each core, in one thread."""
        environment = {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(lambda words: self.example(*words, environment=environment), steps))

    def atomai(self, folder):
        program = [self.plan["atomai"], self.clone / "peers/dynamics_atomai.py", folder]
        done = subprocess.run(program, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise SystemExit(f"AtomAI has failed:\n{done.stdout[-3000:]}")

    def atomai_links(self, points, search):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            rows = np.column_stack([points[:, :3], np.arange(len(points))])
            rows.astype("<f8").tofile(folder / "points.f64")
            np.array([search]).tofile(folder / "search.f64")
            self.atomai(folder)
            return {(int(a), int(b)) for a, b in np.fromfile(folder / "links.f64").reshape(-1, 2)}

    # ---- parts

    def linking(self):
        dynamics_linking.warm()
        rng = np.random.default_rng(self.plan["seed"])
        sizes = [(100, 100, 0), (100, 1000, 1), (1000, 1030, 0), (1000, 1030, 1)]
        fast, good = dynamics_linking.speed(self, rng, sizes, 2)
        moved, same = dynamics_linking.displacements(self, rng, 2)
        crowds = dynamics_linking.crowds(self, rng, self.atomai_links if self.plan["atomai"] else None)
        self.good &= good and same
        return "\n\n".join([
            f"{dynamics_linking.versions()}; points wander, 2 % of them are missed in each frame.", fast, moved,
            "AtomAI's `get_trajectory` follows the points of the first frame alone." if self.plan["atomai"] else "",
            crowds])

    def hidden(self):
        made, good = dynamics_hmm.table(self, np.random.default_rng(self.plan["seed"]))
        self.good &= good
        return f"{dynamics_hmm.versions()}; the faster of hmmlearn's two implementations, on all cores that each can use.\n\n{made}"

    def movies(self):
        rows, rates, timed, notes = [], [], [], []
        for dose in DOSES:
            for hops in HOPS:
                seeds = [1000 * (i + 1) + self.plan["seed"] for i in range(self.plan["movies"])]
                made = self.examples([(step, seed, dose, hops) for step in ("movie", "watch") for seed in seeds])
                all_, pixels = made[:len(seeds)], made[len(seeds):]
                methods = [*all_[0]["methods"], "pixels: one frame", "pixels: the movie"]
                for s, species in enumerate(score["species"] for score in all_[0]["scores"]):
                    f1 = [[movie["scores"][s]["f1"][m] for movie in all_] for m in range(len(methods) - 2)]
                    at = pixels[0]["species"].index(species)
                    f1 += [[movie[how][at] for movie in pixels] for how in ("alone", "all")]
                    rows.append([f"{dose:g}", f"{hops:g}", species, *map(interval, f1)])
                    notes += self.judge(dose, hops, species, dict(zip(methods, f1)))
                found = [(movie["hop_rate_counted"], *bounds(movie["hop_rate"])) for movie in all_]
                inside = sum(low <= true <= high for true, _, low, high in found)
                shown = "; ".join(f"{rate:.3f} ({low:.3f} to {high:.3f}) of {true:.3f}" for true, rate, low, high in found)
                rates.append([f"{dose:g}", f"{hops:g}", f"{inside} of {len(found)}", shown])
                timed.append([f"{dose:g}", f"{hops:g}", *self.times(all_, "hopped"), *self.times(all_, "lost")])
                say(f"  {time.strftime('%H:%M')}  {dose:g} counts, {hops:g} hops a frame: "
                    + ", ".join(f"{r[2]} {r[-4]} of {r[-3]}, from pixels {r[-1]}" for r in rows[-4:]))
        head = ["counts at W", "hops a frame", "species", *methods]
        times_head = ["counts at W", "hops a frame", "hops", "found", "held by 95 % interval", "its mean length",
                      "losses of an atom", "found", "held", "mean length"]
        return "\n\n".join([
            f"F1 with the best threshold of each method, mean and 95 % interval over {self.plan['movies']} movies of 50 frames "
            "of 256 x 256 pixels (8.1 nm). The baselines' threshold and the running mean's length are chosen by the truth. The movie "
            "limit knows the rates, the image, and what else stands around. All methods but the last two are told probe, drift, jitter, gains "
            "and contamination; *pixels* is `Watch`, which is told the crystal and its physics, and estimates the rest from the movie. Each "
            "is scored at the sites that it can judge.",
            report.table(head, rows), "Aims:\n\n" + "\n".join(notes),
            "Hops of V_2S a frame, found, with 95 % intervals, of what they truly were in that movie (those beside a dopant hardly hop); how "
            "many hold the truth:",
            report.table(["counts at W", "hops a frame", "hold", "each"], rates),
            "When vacancies hopped and columns lost an atom: of the true changes how many were found within five frames, and of those "
            "how many lie in their 95 % interval; frames.", report.table(times_head, timed)])

    @staticmethod
    def times(movies, what):
        sums = {key: sum(movie[what][key] for movie in movies) for key in ("all", "found", "held", "frames")}
        found = max(sums["found"], 1)
        return [str(sums["all"]), str(sums["found"]), f"{100 * sums['held'] / found:.0f} %", f"{sums['frames'] / found:.1f}"]

    def judge(self, dose, hops, species, f1):
        """Whether the aims of a species are reached."""
        mean = {name: statistics.mean(known(values)) if known(values) else float("nan") for name, values in f1.items()}
        where = f"- {species}, {dose:g} counts, {hops:g} hops a frame:"
        if species == "Mo_W":
            off = mean["movie limit"] - mean["this model"]
            return [f"{where} {off:.3f} below the movie limit (aim: 0.02): {yes(off <= 0.02)}."]
        if species == "V_2S":
            part = mean["this model"] / mean["movie limit"]
            low = ends(f1["this model"])[0]
            above = [low > ends(f1[name])[1] for name in ("mean of frames", "running mean", "sum of ratios")]
            return [f"{where} {part:.2f} of the movie limit (aim: 0.9): {yes(part >= 0.9)}; above "
                    f"{sum(above)} of the three baselines with disjoint intervals: {yes(all(above))}."]
        return []

    def back(self):
        rows = []
        steps = [("back", 100 * (i + 1) + self.plan["seed"], dose) for dose in DOSES[:2] for i in range(BACK)]
        for (_, _, dose), found in zip(steps, self.examples(steps)):
            for r in found["rounds"]:
                rows.append([f"{dose:g}", *(f"{f1:.2f}" for f1 in found["labels"]), f"{r['before'][0]:.3f}",
                             f"{r['after'][0]:.3f}", f"{r['before'][1]:.2f}", f"{r['after'][1]:.2f}", yes(r["kept"])])
        head = ["counts at W", "F1 of labels: one frame", "the movie", "F1 on unseen movies: before", "after",
                "false a frame where nothing is: before", "after", "kept"]
        return ("A detector is trained on the labels of the first frame alone, then on those that the whole movie, read in space and "
                "time, gives of the same frame. It is kept if F1 on four unseen movies rises and false detections in a perfect crystal "
                "do not.\n\n" + report.table(head, rows))

    def tracks(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            found = self.example("tracks", self.plan["seed"], SETS_OF_TRACKS, folder)
            theirs = self.atomai_matrices(folder) if self.plan["atomai"] else {}
        rows, kl = [], []
        for short in (False, True):
            for noise in range(4):
                of = [row["found"] for row in found["rows"] if row["noise"] == noise and row["short"] == short]
                errs = [[row["errs"][way] for row in of] for way in range(4)]
                filled = [[row["filled"][way] for row in of] for way in (1, 2, 3)]
                switches = [[row["switches"][way] for row in of] for way in range(4)]
                halves = statistics.mean(errs[2]) <= 0.5 * statistics.mean(errs[0])
                better = [free - physics for free, physics in zip(errs[1], errs[2])]
                rows.append([f"{statistics.mean(row['tracks'] for row in of):.0f} of {found['short' if short else 'length']}",
                             *map(interval1, errs), interval(better, 2), yes(halves), *map(interval1, filled),
                             *map(interval1, switches)])
                if not short:
                    kl.append([f"{statistics.mean(errs[0]):.1f}", interval([row["divergence"][0] for row in of]),
                               interval([row["divergence"][1] for row in of]),
                               f"{theirs[noise]:.3f}" if noise in theirs else "—"])
        wrong = [[w["physics"], f"{w['errs']:.2f}", f"{w['with_data']:.2f}", "yes" if w["disagrees"] else "no", w["first"] or ""]
                 for w in found["wrong"]]
        head = ["tracks, of frames", "classifier errs", "free model errs", "physics errs", "physics and data err", "physics better than free by", "halved",
                "missed filled right: free", "physics", "both", "switches: classifier", "free", "physics", "both"]
        return "\n\n".join([
            f"{SETS_OF_TRACKS} sets of long tracks and 30 of a few short ones, in {found['states']} states, from the simulation; one "
            "frame in ten is not detected. Per cent of frames (of missed frames, of steps), mean and 95 % interval over sets.",
            report.table(head, rows),
            "Divergence of the estimated transition matrix (Kullback-Leibler, nats, true to estimated rows, by occupancy):",
            report.table(["classifier errs, %", "counted", "learnt with the physics", "AtomAI (first set)"], kl),
            "Physics that is wrong in one respect, where the classifier errs on 15 %: frames called wrong, and whether the tracks "
            "say so (what first).",
            report.table(["physics", "errs, %", "with data, %", "disagrees", "first"], wrong)])

    def atomai_matrices(self, folder):
        """Divergence of AtomAI's matrix from the truth for each noise, zeros floored as ours."""
        self.atomai(folder)
        reference = np.fromfile(folder / "reference.f64")
        n = int(np.sqrt(len(reference)))
        reference, occupancy = reference.reshape(n, n), np.fromfile(folder / "occupancy.f64")
        result = {}
        for path in sorted(folder.glob("matrix?.f64")):
            noise = int(path.stem[-1])
            called = np.fromfile(folder / f"called{noise}.f64").astype(int).reshape(-1, 16)
            leaves = np.bincount(called[:, :-1].ravel(), minlength=n)
            matrix = np.nan_to_num(np.fromfile(path).reshape(n, n))
            floor = 0.5 / np.maximum(leaves, 1)[:, None]
            q = np.where(matrix > 0, matrix, floor)
            terms = np.where(reference > 0, reference * np.log(np.maximum(reference, 1e-300) / q), 0.0)
            result[noise] = float((occupancy / occupancy.sum() * terms.sum(1)).sum())
        return result

    def physics(self):
        found = self.example("physics", self.plan["seed"], SETS_OF_PHYSICS)
        rows = [[way, f"{n} of {found['sets']}"] for way, n in zip(found["ways"], found["accused"])]
        return (f"Sets of tracks that accuse the very model that made them (at 5 %: about {0.05 * found['sets']:.0f}); in the last line the "
                "simulation made them, of which a state of one dopant is a coarse picture.\n\n" + report.table(["by", "accused"], rows))


def known(values):
    return [v for v in values if v is not None]


def ends(values):
    """The 95 % interval of a mean, by Student's t."""
    values = known(values)
    if len(values) < 2:
        return float("-inf"), float("inf")
    half = T95.get(len(values) - 1, 2.2) * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half


def interval(values, digits=3):
    values = known(values)
    if len(values) < 2:
        return f"{values[0]:.{digits}f}" if values else "—"
    mean = statistics.mean(values)
    return f"{mean:.{digits}f} ± {ends(values)[1] - mean:.{digits}f}"


def interval1(values):
    return interval(values, 1)


def bounds(rate):
    """JSON has no infinity."""
    value, low, high = rate
    return value, low or 0.0, float("inf") if high is None else high


def yes(right):
    return "yes" if right else "no"


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    begun = time.perf_counter()
    bench = Bench(plan)
    subprocess.run(["cargo", "build", "--quiet", "--example", "bench_dynamics"], cwd=bench.clone, check=True)
    here = processes.machine()
    parts = [
        ("### Linking beside trackpy and AtomAI", bench.linking),
        ("### Forward-backward beside hmmlearn, exponentials beside SciPy", bench.hidden),
        ("### Detection in space and time", bench.movies),
        ("### Back into the network", bench.back),
        ("### Classification by tracks", bench.tracks),
        ("### Whether right physics is accused", bench.physics),
    ]
    text = [f"`{plan['command']}`, seed {plan['seed']}, {time.strftime('%Y-%m-%d')}: {here['cores']} cores of {here['cpu']}, "
            f"{plan['rustc']}."]
    text += report.told(parts, lambda title: say(f"{time.strftime('%H:%M')}  {title.strip('# ')}"))
    minutes = (time.perf_counter() - begun) / 60
    text[0] += f" {minutes:.0f} minutes in all."
    folder = Path(sys.argv[1]).parent
    report.keep(plan, folder / "dynamics.md", text, BEGIN, END)
    say(f"{minutes:.0f} minutes. Tables: {folder / 'dynamics.md'}")
    if not bench.good:
        raise SystemExit("ours and another program do not agree, or linking is not 20 times as fast")


if __name__ == "__main__":
    main()
