"""`cargo lab bench detect`: how well defects are found, beside the limit of the noise and beside other programs.

Started by it, with a plan of what to run (JSON). Every result is kept in the plan's folder under the options, seed, and
versions that it depends on, so that a run that was stopped goes on where it was, and one that has all prints the tables at
once. Where the plan says `within` how many minutes, nothing new is begun after them: the tables tell what is missing. `--write`
puts rows and curves into benches/detect.json beside the tables, where a run of the same sources on another machine finds them.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
import report
from report import say

BEGIN, END = "<!-- written by `cargo lab bench detect --write` -->", "<!-- end of what `bench detect` wrote -->"
GROUPS = ("dark on a W site", "dark on an S site", "bright")
PEERS = {"published": "published recipe", "atomai": "AtomAI Segmentor"}
OURS = {"ours": "ours", "by the truth": "ours, best threshold"}
CORES = len(os.sched_getaffinity(0))
PEER_MOVIES = ("peers-clean", "peers-middle", "peers-recorded")
CURVES = {
    "counts at a W column": {"recorded": 5.5, "counts-9": 9, "counts-17": 17, "counts-35": 35, "clean": 70},
    "nm a pixel": {"fine": 0.024, "clean": 0.032, "coarse": 0.045},
}
"""What the figure shows: rows of the first table by what they differ in."""
FIGURE = ("![F1 of each group with its interval over movies, and its independent-site limit (dashed), against dose and against "
          "pixel size; the faintest movies have afterglow as well](detect.svg)")
WITHIN = (0.2, 0.98)
"""Limits of a group between which ours is held against others in it."""
THRESHOLDS = [t / 20 for t in range(4, 15)]
"""The others'."""
LENGTHS = (100, 200, 400, 800)
"""Steps of our trainings beside the peers."""
CHOICES = {
    "default": {},
    "frame alone": {"input": "Frame"},
    "no planting": {"augment": {"planting": {"rate": 0.0}}},
    "straight crops only": {"augment": {"straight": 1.0}},
    "no straight crops": {"augment": {"straight": 0.0}},
    "one map": {"output": "Defect"},
    "cross-entropy": {"loss": "CrossEntropy"},
    "Dice": {"loss": "Dice"},
    "no averaging": {"averaging": 0.0},
    "published network": {"architecture": "Published"},
    "residual network": {"architecture": "Residual"},
    "U-Net": {"architecture": "UNet"},
    "dilated network": {"architecture": "Dilated"},
    "three networks": {"networks": 3},
}
CHOICE_MOVIES = 2


class Later(Exception):
    """What is not kept would have been begun after the plan's time."""


class Bench:
    def __init__(self, plan):
        self.plan = plan
        within = plan.get("within")
        self.deadline = float("inf") if within is None else time.time() + 60 * within
        self.folder, self.clone = Path(plan["folder"]), Path(plan["clone"])
        self.folder.mkdir(parents=True, exist_ok=True)
        self.program = self.built()
        here = processes.machine()
        self.here = f"{here['cores']} cores of {here['cpu']}"
        sources = ("src/detect", "src/simulate", "src/defects", "src/device.rs", "examples/bench_detect")
        self.device = self.example("device")
        self.ours = [fingerprint(self.clone, sources), self.device]
        self.conditions = {c["name"]: c for c in self.example("list")}
        self.record = Record(self.clone / "benches/detect.json")

    def built(self):
        """A copy of the program and of the library, so that hours of measuring are of one and the same, whatever is compiled
        meanwhile."""
        command = ["cargo", "build", "--quiet", "--example", "bench_detect", "--message-format=json"]
        done = subprocess.run(command, cwd=self.clone, text=True, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit("examples/bench_detect does not compile")
        made = [line for line in map(json.loads, done.stdout.splitlines()) if line["reason"] == "compiler-artifact"]
        files = [f for line in made for f in line["filenames"] if f.endswith("/libatomotion.so")]
        files += [line["executable"] for line in made if line["target"]["name"] == "bench_detect"]
        folder = self.folder / "program"
        folder.mkdir(exist_ok=True)
        for file in files:
            partial = folder / "partial"
            shutil.copy(file, partial)
            partial.rename(folder / Path(file).name)
        return folder / "bench_detect"

    def example(self, *words):
        """The last line of a step of examples/bench_detect."""
        command = [self.program, *map(str, words)]
        places = f"{self.program.parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        environment = {**os.environ, "LD_LIBRARY_PATH": places, "OMP_WAIT_POLICY": "passive"}
        done = subprocess.run(command, cwd=self.clone, env=environment, text=True, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench_detect {' '.join(map(str, words))} has failed")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def kept(self, name, depends, make):
        """What `make` gives for a file of its own, or what it gave before; with the path of that file."""
        path = self.folder / f"{name}-{mark(depends)}.json"
        if not path.exists():
            if time.time() > self.deadline:
                raise Later
            say(f"{time.strftime('%H:%M')}  {name}")
            result = make(path.with_suffix(".found"))
            written(path, json.dumps(result))
        return json.loads(path.read_text()), path.with_suffix(".found")

    def recorded(self, name, depends, make):
        """What stays with the clone, or else what `make` gives; that asks for what takes long by `kept`."""
        key = f"{name}-{mark(depends)}"
        if key not in self.record.entries:
            self.record.add(key, {"result": make(), "on": self.here, "at": time.strftime("%Y-%m-%d")})
        return self.record.of(key)

    def measured(self, name, depends, make):
        """As `kept`, without the path, for what stays with the clone."""
        return self.recorded(name, depends, lambda: self.kept(name, depends, make)[0])

    def trained(self, condition, movie, seed, options):
        depends = [self.ours, condition, movie, seed, options]
        name = f"train-{condition}-{movie}-{seed}"
        return self.kept(name, depends, lambda found: self.example("train", condition, movie, seed, found, json.dumps(options)))

    def scored(self, condition, movies, options):
        runs = [self.trained(condition, movie, movie + 1, options) for movie in range(movies)]
        depends = [self.ours, condition, movies, options]
        score, _ = self.kept(f"score-{condition}", depends, lambda _: self.example("score", condition, *(f for _, f in runs)))
        return score, [run for run, _ in runs]

    @staticmethod
    def table(head, items, row):
        """A table of the rows of items, and which of them are missing."""
        rows, missing = [], []
        for item in items:
            try:
                rows.append(row(item))
            except Later:
                missing.append(str(item))
        told = [f"Not yet measured: {', '.join(missing)}."] if missing else []
        return "\n\n".join([report.table(head, rows), *told])

    def limit(self, condition):
        return self.measured(f"limit-{condition}", [self.ours, condition], lambda _: self.example("limit", condition))

    # ---- tables

    def ours_alone(self):
        return [name for name in self.conditions if not name.startswith("peers")]

    def movies(self, name):
        return self.plan["movies"] or self.conditions[name]["movies"]

    def beside_limit(self, name):
        """F1 of each group, with its interval, limit and instances; and what else there is to say of these movies."""
        def make():
            score, runs = self.scored(name, self.movies(name), {})
            groups = [{"f1": g["f1"], "limit": limit, "instances": g["hits"] + g["missed"]}
                      for g, limit in zip(score["groups"], self.limit(name))]
            return {"groups": groups, "train_s": statistics.median(r["train_s"] for r in runs),
                    "reliability": score["reliability"], "false": alarms(runs, score)}

        return self.recorded(f"beside-limit-{name}", [self.ours, name, self.movies(name)], make)

    def against_the_limit(self):
        def cell(group):
            (f1, low, high), limit = group["f1"], group["limit"]
            return f"{f1:.2f} ({low:.2f}–{high:.2f}) / {limit:.2f} = {f1 / max(limit, 1e-9):.2f}; {group['instances']}"

        def row(name):
            found = self.beside_limit(name)
            announced, seen = ("—" if of is None else f"{of:.1f}" for of in found["false"])
            return [self.conditions[name]["about"], *map(cell, found["groups"]), f"{found['train_s']:.0f}",
                    f"{found['reliability']:.2f}", f"{announced} / {seen}"]

        head = ["movies", *GROUPS, "training, s", "calibration error", "false a frame: announced / seen"]
        return "\n\n".join(filter(None, [self.table(head, self.ours_alone(), row), self.figure()]))

    def figure(self):
        """Draws F1 and its limit against dose and against pixel size, as benches/detect.svg, and gives the Markdown that shows it."""
        drawn = self.clone / "benches/detect.svg"
        with contextlib.suppress(Later):
            series = {about: [[x, self.beside_limit(name)["groups"]] for name, x in points.items()] for about, points in CURVES.items()}
            if self.plan["python"] is not None and self.plan["readme"]:
                command = [self.plan["python"], self.clone / "peers/detect_figure.py", drawn]
                done = subprocess.run(command, input=json.dumps({"groups": GROUPS, "series": series}), text=True, check=False)
                if done.returncode != 0:
                    say("The figure could not be drawn; that of before stays.")
        return FIGURE if drawn.exists() else ""

    def by_species(self):
        def make(name):
            score, _ = self.scored(name, self.movies(name), {})
            found = {s: (n, r) for group in score["groups"] for s, n, r in group["species"]}
            hits, all_ = score["beside_dopants"]
            row = [name] + [f"{found[s][1]:.2f} ({found[s][0]})" if s in found else "—" for s in SPECIES]
            return row + [f"{hits / max(all_, 1):.2f} ({all_})"]

        def row(name):
            return self.recorded(f"species-{name}", [self.ours, name, self.movies(name)], lambda: make(name))

        return self.table(["movies", *SPECIES, "V_S or V_2S beside Mo"], self.ours_alone(), row)

    def choices(self):
        def make(name):
            options, row = CHOICES[name], [name]
            for condition in ("clean", "counts-17"):
                score, _ = self.scored(condition, CHOICE_MOVIES, options)
                row += [f"{group['f1'][0]:.2f}" for group in score["groups"]]
            return row

        def row(name):
            options = CHOICES[name]
            f1 = self.recorded(f"choice-{name}", [self.ours, options, CHOICE_MOVIES], lambda: make(name))
            depends = [self.ours, self.here, options]
            step, _ = self.kept("step", depends, lambda _: self.example("step", "clean", json.dumps(options)))
            return f1 + [f"{step['all_s']:.0f}"]

        head = [f"{g}, {c}" for c in ("clean", "17 counts") for g in ("W", "S", "bright")]
        return self.table(["choice", *head, "training, s"], CHOICES, row)

    def frames(self, condition):
        """What a peer reads: the movie and the masks."""
        about = self.folder / condition / "about.json"
        if not about.exists():
            about.parent.mkdir(exist_ok=True)
            about.write_text(json.dumps(self.example("frames", condition, 0, about.parent)))
        return about

    def all_peers(self):
        """One run on every core: first seeds of all first, then movie by movie those with our labels."""
        for which in PEERS:
            with contextlib.suppress(Later):
                self.step_s(which)
        seeds = range(1, self.plan["seeds"] + 1)
        runs = [(w, c, m, s) for m in ("ours", "published") for c in PEER_MOVIES for s in seeds for w in PEERS]
        runs.sort(key=lambda run: run[3] > 1)
        for condition in PEER_MOVIES:
            self.frames(condition)
        with ThreadPoolExecutor(CORES) as pool:
            try:
                for run in [pool.submit(self.peer, *run) for run in runs]:
                    with contextlib.suppress(Later):
                        run.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def peers(self, *words, stdout=subprocess.DEVNULL):
        """Starts peers/detect_peers.py."""
        return subprocess.Popen([self.plan["python"], self.clone / "peers/detect_peers.py", *map(str, words)],
                                text=True, stdout=stdout)

    def told(self, *words):
        """The last line that it prints."""
        program = self.peers(*words, stdout=subprocess.PIPE)
        said, _ = program.communicate()
        if program.returncode != 0:
            raise SystemExit(f"detect_peers.py {' '.join(map(str, words))} has failed")
        return json.loads(said.strip().splitlines()[-1])

    @functools.cached_property
    def versions(self):
        return [self.plan["peer_versions"], fingerprint(self.clone, ("peers/detect_peers.py",))]

    def step_s(self, which):
        """Seconds of a step on as many cores as there are here, whatever trains."""
        folder = self.frames("peers-clean").parent
        return self.measured(f"step-{which}", [self.versions, which, CORES], lambda _: self.told("step", which, folder))["step_s"]

    def peer(self, which, condition, mask, seed):
        """Its curve, and what its files are called."""
        about, name = self.frames(condition), f"{which}-{condition}-{mask}-{seed}"
        folder = about.parent
        depends = [self.versions, which, condition, mask, seed, self.plan["minutes"], json.loads(about.read_text())]

        def run(found):
            return self.watch(which, condition, mask, seed, folder, found)

        return self.measured(name, depends, run), self.folder / f"{name}-{mark(depends)}.found"

    def watch(self, which, condition, mask, seed, folder, out):
        """Runs a peer, scores every stop, and ends it when F1 has not gained 0.01 in 5 minutes of training."""
        out.unlink(missing_ok=True)
        enough = out.with_suffix(".enough")
        enough.unlink(missing_ok=True)
        program = self.peers("train", which, folder, mask, seed, self.plan["minutes"], out, self.step_s(which))
        curve = []
        try:
            while True:
                ended = program.poll() is not None
                lines = out.read_text().splitlines() if out.exists() else []
                for line in lines[len(curve):]:
                    if settled(curve[:-1]):
                        break  # as it ends it stops once more; where it is fast it has gone on meanwhile
                    curve.append(self.stop(condition, json.loads(line), out))
                if settled(curve):
                    enough.touch()
                if ended:
                    break
                time.sleep(2)
        finally:
            program.kill()
        if program.returncode not in (0, -9):
            raise SystemExit(f"{which} has failed")
        return curve

    def stop(self, condition, line, out):
        best = self.best_threshold(condition, line["found"], out)
        return {"seconds": line["seconds"], "steps": line["steps"], "device": line["device"], **best}

    def best_threshold(self, condition, found, out):
        """With the truth in hand."""
        best = None
        for threshold, rows in found.items():
            file = out.with_suffix(".stop")
            file.write_text(json.dumps(rows))
            score = self.example("score", condition, file)
            if best is None or score["all"] > best["all"]:
                best = {"all": score["all"], "groups": [g["f1"][0] for g in score["groups"]], "threshold": threshold}
        return best

    def ours_by_the_truth(self, condition, seed):
        """What the others are given: the best threshold of theirs."""
        def make():
            _, found = self.trained(condition, 0, seed, {"steps": LENGTHS[-1]})
            rows = json.loads(found.read_text())
            return self.best_threshold(condition, {t: [row for row in rows if row[4] >= t] for t in THRESHOLDS}, found)

        return self.recorded(f"by-truth-{condition}-{seed}", [self.ours, condition, seed, LENGTHS[-1], THRESHOLDS], make)

    def beside_peers(self):
        if self.plan["python"] is None:
            return "Left out (`--without peers`)."
        lines, by_group, devices = [], [], set()
        seeds = range(1, self.plan["seeds"] + 1)
        # Ours and the limits before what takes a day.
        for condition in PEER_MOVIES:
            with contextlib.suppress(Later):
                self.limit(condition)
                for seed in seeds:
                    self.curve_of_ours(condition, seed)
                    self.ours_by_the_truth(condition, seed)
        self.all_peers()

        def curves(condition, which, labels):
            found = []
            for seed in seeds:
                with contextlib.suppress(Later):
                    if which == "ours":
                        found.append(self.curve_of_ours(condition, seed))
                    elif which == "by the truth":
                        found.append([{"seconds": self.curve_of_ours(condition, seed)[-1]["seconds"], **self.ours_by_the_truth(condition, seed)}])
                    else:
                        found.append(self.peer(which, condition, labels, seed)[0])
            return found

        def row(item):
            condition, which, labels = item
            these = curves(condition, which, labels)
            if not these:
                raise Later
            against = ["" for _ in OURS]
            if which in PEERS:
                of_ours = [curves(condition, o, "ours") for o in OURS]
                against = [verdict(ours, these) for ours in of_ours]
                for g, limit in enumerate(self.limit(condition)):
                    if WITHIN[0] <= limit <= WITHIN[1]:
                        said = (verdict(ours, these, lambda stop, g=g: stop["groups"][g]) for ours in of_ours)
                        by_group.append([self.conditions[condition]["about"], item.title(), labels, GROUPS[g], *said])
                devices.update(stop["device"] for curve in these for stop in curve)
            if which != "by the truth":
                lines.extend(curve_lines(condition, f"{item.title()}, {labels} labels", these))
            return self.row(condition, item.title(), labels, these, against)

        items = [Item((c, w, m)) for c in PEER_MOVIES for w, m in (*((o, "ours") for o in OURS), *((w, m) for w in PEERS for m in ("ours", "published")))]
        head = ["movie", "program", "labels", "seeds", "F1 of all", "ours is", "with its best threshold", *GROUPS, "limits", "training, s"]
        table = self.table(head, items, row)
        steps = []
        for which, title in PEERS.items():
            with contextlib.suppress(Later):  # on a machine with another number of cores
                steps.append(f"{self.step_s(which):.2f} s for the {title}")
        steps = f" ({', '.join(steps)})" if steps else ""
        where = (f"The best of each of the others' curves counts, with the best of {len(THRESHOLDS)} thresholds, by the truth; ours as its training "
                 f"ends, with the threshold that it has by default, and with the best of the same. \"Higher\" is what is so with disjoint 95 % intervals over three seeds or more. Seconds of the others are steps times what a step takes as the "
                 f"programs are{steps}; they ran on: {', '.join(sorted(devices))}." if devices else "")
        groups = report.table(["movie", "program", "labels", "group", "ours is", "with its best threshold"], by_group)
        between = f"The same by group, wherever its limit is between {WITHIN[0]} and {WITHIN[1]}:"
        told = [table, where, *([between, groups] if by_group else []), "F1 against seconds of training, one line a seed:"]
        return "\n\n".join(filter(None, [*told, "\n".join(lines)]))

    def curve_of_ours(self, condition, seed):
        depends = [self.ours, condition, seed, LENGTHS]
        return self.recorded(f"ours-{condition}-{seed}", depends, lambda: self.measured_curve(condition, seed))

    def measured_curve(self, condition, seed):
        curve = []
        for steps in LENGTHS:
            run, found = self.trained(condition, 0, seed, {"steps": steps})
            depends = [self.ours, condition, seed, steps]
            score, _ = self.kept(f"score-{condition}-{seed}-{steps}", depends, lambda _, f=found: self.example("score", condition, f))
            curve.append({"seconds": run["train_s"], "all": score["all"], "groups": [g["f1"][0] for g in score["groups"]]})
        return curve

    def row(self, condition, program, labels, curves, against):
        last = [best(curve) for curve in curves]
        groups = [interval([stop["groups"][g] for stop in last]) for g in range(3)]
        return [self.conditions[condition]["about"], program, labels, len(curves), interval([s["all"] for s in last]), *against,
                *groups, " / ".join(f"{limit:.2f}" for limit in self.limit(condition)),
                f"{statistics.mean(s['seconds'] for s in last):.0f}"]

    def speed(self):
        try:
            ours = self.measured("speed", [self.ours, self.here], lambda _: self.example("speed"))
            memory = self.measured("memory", [self.ours], lambda _: self.example("memory", 2000))
        except Later:
            return "Not yet measured."
        return "\n".join([
            f"- Frames of 512 x 512: {1 / ours['find_s']:.1f} frames/s from pixels to a table of defects with patches and areas "
            f"({1e3 * ours['find_s']:.0f} ms; the network alone {1e3 * ours['network_s']:.0f} ms; with half precision "
            f"{1e3 * ours['half_s']:.0f} ms; with fitted centres {1e3 * ours['refined_s']:.0f} ms). One frame at a time, as from a microscope: {1e3 * ours['latency_s']:.0f} ms.",
            *self.speed_of_peers(ours["find_s"], ours["half_s"]),
            f"- A movie of {memory['frames']} frames: {memory['frames'] / memory['seconds']:.1f} frames/s, "
            f"{memory['defects']} defects, whose patches are {memory['patches_mb']} MB; peak memory {memory['peak_mb']} MB, "
            f"of which {memory['before_mb']} MB before (the library, and a training).",
        ])

    def speed_of_peers(self, ours_s, half_s):
        """From pixels to positions, with a network that was trained here on clean frames with our labels."""
        if self.plan["python"] is None:
            return
        folder = self.frames("peers-clean").parent
        for which, title in PEERS.items():
            try:
                decoded = self.recorded(f"decode-{which}", [self.versions, self.here], lambda w=which: self.decoded(w, folder))
            except Later:
                yield f"- {title}: not yet measured."
                continue
            frame_s = decoded["frame_s"]
            yield (f"- The same frames by {title}: {1 / frame_s:.1f} frames/s ({1e3 * frame_s:.0f} ms from pixels to positions); "
                   f"ours is **{frame_s / ours_s:.1f}** times as fast, with half precision {frame_s / half_s:.1f}.")

    def decoded(self, which, folder):
        for seed in range(1, self.plan["seeds"] + 1):
            weights = self.peer(which, "peers-clean", "ours", seed)[1].with_suffix(WEIGHTS[which])
            if weights.exists():
                return self.kept(f"decode-{which}", [self.versions, self.here], lambda _, w=weights: self.told("decode", which, folder, w))[0]
        raise Later


class Record:
    """What stays with the clone, by name; and which of it the tables of this run hold."""

    def __init__(self, path):
        self.path, self.used = path, set()
        self.entries = json.loads(path.read_text()) if path.exists() else {}

    def add(self, key, entry):
        self.entries[key] = entry

    def of(self, key):
        self.used.add(key)
        return self.entries[key]["result"]

    def write(self):
        """All but what the tables hold otherwise now."""
        name = lambda key: key.rpartition("-")[0]  # noqa: E731
        now = {name(key) for key in self.used}
        lines = [f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in sorted(self.entries.items()) if key in self.used or name(key) not in now]
        written(self.path, "{\n" + ",\n".join(lines) + "\n}\n")

    def machines(self):
        """On which, and when, what the tables hold was measured."""
        found = {}
        for entry in (self.entries[key] for key in self.used):
            found.setdefault(entry["on"], []).append(entry["at"])
        return "; ".join(f"{on}, {' to '.join(sorted({min(at), max(at)}))}" for on, at in sorted(found.items()))


WEIGHTS = {"published": ".weights", "atomai": ".model_metadict_final.tar"}
SPECIES = ("Mo_W", "V_W", "V_S", "V_2S", "W_ad", "W_2S")


def alarms(runs, score):
    """What noise alone was said to give (by the kind of frame that gives most, as the library says it), and what was false, a
    frame."""
    kinds = [[sum(found) / len(found) for _, found in run["alarms"] if found] for run in runs]
    announced = [max(of) for of in kinds if of]
    seen = sum(group["false"] for group in score["groups"]) / score["frames"]
    return [statistics.mean(announced) if announced else None, seen]


def settled(curve):
    """Whether the best F1 has gained less than 0.01 in the last 5 minutes of training."""
    if not curve or curve[-1]["seconds"] < 300:
        return False
    before = [stop["all"] for stop in curve if stop["seconds"] <= curve[-1]["seconds"] - 300]
    return bool(before) and max(stop["all"] for stop in curve) < max(before) + 0.01


class Item(tuple):
    """A movie, a program, and labels."""

    def __str__(self):
        condition, _, labels = self
        return f"{condition} by {self.title()} with {labels} labels"

    def title(self):
        return {**PEERS, **OURS}[self[1]]


def best(curve):
    """What is best with the truth in hand; ours, with its own threshold, is what its training ends with."""
    return max(curve, key=lambda stop: stop["all"]) if "threshold" in curve[-1] else curve[-1]


def half_width(values):
    """Of the 95 % interval of a mean, by Student's t."""
    t = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31}.get(len(values), 2.26)
    return t * statistics.stdev(values) / len(values) ** 0.5


def interval(values):
    """Mean and, from two seeds on, its 95 % interval."""
    mean = statistics.mean(values)
    return f"{mean:.2f} ± {half_width(values):.2f}" if len(values) > 1 else f"{mean:.2f}"


def verdict(ours, theirs, of=lambda stop: stop["all"]):
    """Higher or lower where 95 % intervals over three seeds or more are disjoint."""
    sides = [[of(best(curve)) for curve in curves] for curves in (ours, theirs)]
    if min(map(len, sides)) < 3:
        return "equal (too few seeds)"
    (a, half_a), (b, half_b) = ((statistics.mean(side), half_width(side)) for side in sides)
    if abs(a - b) <= half_a + half_b:
        return "equal"
    return "higher" if a > b else "lower"


def curve_lines(condition, title, curves):
    points = (", ".join(f"{s['seconds']:.0f} s {s['all']:.2f}" for s in curve) for curve in curves)
    return [f"- {condition}, {title}: {line}" for line in points]


def mark(depends):
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:12]


def written(path, text):
    """Whole, or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.rename(path)


def fingerprint(clone, places):
    files = [f for place in places for f in ([clone / place] if (clone / place).is_file() else sorted((clone / place).rglob("*.rs")))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    begun = time.perf_counter()
    bench = Bench(plan)
    parts = [
        ("### F1 beside the independent-site limit (95 % interval over movies) = its part of the limit; instances",
         bench.against_the_limit),
        ("### Recall by species (instances)", bench.by_species),
        ("### Speed and memory", bench.speed),
        ("### What each default contributes: F1 and seconds of training", bench.choices),
        ("### Beside other programs", bench.beside_peers),
    ]
    told = report.told(parts)
    text = [f"`{plan['command']}`, {time.strftime('%Y-%m-%d')}, {plan['rustc']}. Measured on: {bench.record.machines()}. Ours on: {bench.device}.", *told]
    report.keep(plan, bench.folder / "detect.md", text, BEGIN, END)
    if plan["readme"]:
        bench.record.write()
    say(f"\n{(time.perf_counter() - begun) / 60:.0f} minutes. Tables: {bench.folder / 'detect.md'}")


if __name__ == "__main__":
    main()
