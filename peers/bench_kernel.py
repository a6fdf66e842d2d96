"""`cargo lab bench kernel`: notebooks' kernels side by side. Started by it, with a plan of what to run (JSON)."""

import json
import os
import platform
import signal
import sys
import time
from pathlib import Path

import phases
import report
from report import say
from checks import fault
from kernel import Kernel, Trouble, Warm, write_specs
from processes import Watch, machine, tree

CELL_PATIENCE_S = 300
SETUP_PATIENCE_S = 3 * 3600
# The cells whose compilation is looked into.
RECORDED = ("a number shown", "group, aggregate, sort")
OPT_CELLS = (":opt 2", "let optimised = answer + 1.0;", "optimised", ":opt 0", "optimised + 1.0")


class Bench:
    def __init__(self, plan):
        self.plan = plan
        self.folder = Path(plan["folder"])
        self.cells = json.loads(Path(plan["cells"]).read_text())
        self.specs = self.folder / "kernels"
        self.work = self.folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        write_specs(plan, self.specs)
        self.results = {"starts": [], "cells": [], "faults": {}, "memory": {}, "phases": [], "passes": {}, "notes": [],
                        "setup": {}, "opt": None}

    def start(self, spec, environment=None):
        return Kernel(spec, self.specs, self.work, environment)

    def cells_of(self, spec):
        return [(index, cell, source(cell, spec)) for index, cell in enumerate(self.cells) if source(cell, spec)]

    def prepare(self, spec):
        """Runs the cells that load the library once, so that nothing is compiled in what is measured."""
        if spec["language"] == "python" or not spec["setup"]:
            return
        say(f"{spec['title']}: loading the library once. The first time it compiles the library and everything beneath "
            "it in a folder of its own (usually 20 min on 2 cores).")

        def waiting(seconds):
            made = len(list(Path(spec["env"]["EVCXR_TMPDIR"]).glob("target/**/deps/*.d")))
            say(f"{spec['title']}: {made} compilations of about 440, {clock(seconds)}")

        with self.start(spec) as kernel:
            kernel.wait_until_ready()
            seconds = self.set_up(kernel, waiting)
        self.results["setup"][spec["name"]] = seconds
        say(f"{spec['title']}: loaded in {seconds:.1f} s")

    def set_up(self, kernel, waiting=None):
        seconds = 0.0
        for code in kernel.spec["setup"]:
            answer = kernel.run(code, SETUP_PATIENCE_S, waiting)
            seconds += answer.seconds
            if answer.reply.get("status") != "ok":
                raise Trouble(f"`{kernel.spec['name']}` could not run\n{code}\n{answer.text()[-3000:]}")
        return seconds

    def measure(self, spec, number):
        """One start and every cell."""
        if self.plan["drop_caches"]:
            drop_caches()
        trace = self.work / f"trace-{spec['name']}-{number}.jsonl"
        trace.unlink(missing_ok=True)
        name, times, wrong, counts = spec["name"], [], 0, {}
        with self.start(spec, {"ATOMOTION_KERNEL_TRACE": str(trace)}) as kernel:
            kernel.wait_until_ready()
            setup = self.set_up(kernel)
            for index, cell, code in self.cells_of(spec):
                answer = kernel.run(code, CELL_PATIENCE_S)
                first = time.perf_counter() - kernel.started
                if not times:
                    self.start_of(name, number, kernel, setup, first)
                times.append(answer.seconds)
                counts[answer.count] = index
                problem = fault(cell, spec["language"], answer)
                if problem:
                    wrong += 1
                    self.results["faults"].setdefault(name, {})[cell["name"]] = problem
                self.results["cells"].append({"kernel": name, "round": number, "cell": index, "seconds": answer.seconds,
                                              "right": not problem})
        self.results["phases"] += [{"kernel": name, "phase": phase, "cell": cell, "seconds": seconds}
                                   for phase, cell, seconds in phases.read_trace(trace, counts)]
        start = self.results["starts"][-1]
        say(f"round {number} of {self.plan['rounds']}, {spec['title']}: ready {start['ready']:.2f} s, first result "
            f"{start['first']:.2f} s, median of {len(times)} cells {report.median(times):.3f} s"
            + (f", {wrong} wrong" if wrong else ""))

    def start_of(self, name, number, kernel, setup, first):
        self.results["starts"].append({"kernel": name, "round": number, "answered": kernel.answered,
                                       "ready": kernel.ready, "setup": setup, "first": first})

    def measure_warm(self, spec, number):
        """The start of a notebook where a kernel has been kept warm."""
        try:
            warm = Warm(self.plan["warm"]["argv"], self.plan["warm"]["socket"], self.work)
        except (Trouble, OSError) as error:
            note = f"`{' '.join(self.plan['warm']['argv'])}`: {error}"
            self.results["notes"] += [note] if note not in self.results["notes"] else []
            say(f"no warm kernel was measured: {note}")
            return
        try:
            with self.start(spec, {"ATOMOTION_WARM": warm.socket}) as kernel:
                kernel.wait_until_ready()
                kernel.run(source(self.cells[0], spec), CELL_PATIENCE_S)
                self.start_of("warm", number, kernel, 0.0, time.perf_counter() - kernel.started)
            say(f"round {number} of {self.plan['rounds']}, kept warm: ready {kernel.ready:.2f} s "
                f"(getting warm took {warm.seconds:.1f} s)")
        finally:
            warm.end()

    def watch(self, spec):
        """The cells once more, watched: memory, and what the compiler was started with. Nothing of it is timed."""
        with self.start(spec) as kernel:
            with Watch([kernel.pid]) as watched:
                kernel.wait_until_ready()
                self.set_up(kernel)
                for _, cell, code in self.cells_of(spec):
                    before = set(watched.compilers)
                    kernel.run(code, CELL_PATIENCE_S)
                    if spec["name"] == "ours" and cell["name"] in RECORDED:
                        self.look_into(cell, [made for pid, made in watched.compilers.items() if pid not in before])
                if spec["name"] == "ours":
                    self.change_opt(kernel, watched)
            processes = len(tree([kernel.pid]))
        self.results["memory"][spec["name"]] = {"peak_kib": watched.peak_kib, "roles_kib": watched.roles_kib,
                                                "processes": processes}
        say(f"watched, {spec['title']}: at most {watched.peak_kib / 1024:.0f} MiB")

    def look_into(self, cell, compilers):
        linking = [made for made in compilers if "link" in " ".join(made["words"])]
        recorded = phases.record(linking[-1], self.folder / "recorded" / str(RECORDED.index(cell["name"]))) if linking else None
        if recorded:
            self.results["passes"][cell["name"]] = recorded

    def change_opt(self, kernel, watched):
        """`:opt` and cells after it: what they take, and what is compiled."""
        before, times = set(watched.compilers), []
        for code in OPT_CELLS:
            answer = kernel.run(code, SETUP_PATIENCE_S)
            times.append((code, answer.seconds, answer.reply.get("status")))
        crates = sorted({made["crate"] for pid, made in watched.compilers.items() if pid not in before})
        self.results["opt"] = {"times": times, "crates": crates}

    def run(self):
        kernels = self.plan["kernels"]
        for spec in kernels:
            self.prepare(spec)
        ours = next((spec for spec in kernels if spec["name"] == "ours"), None)
        for number in range(1, self.plan["rounds"] + 1):
            turn = (number - 1) % len(kernels)
            for spec in kernels[turn:] + kernels[:turn]:
                self.measure(spec, number)
            if ours and self.plan["warm"]:
                self.measure_warm(ours, number)
        for spec in kernels:
            self.watch(spec)
        for name, recorded in list(self.results["passes"].items()):
            self.results["passes"][name] = phases.time_passes(recorded)
        return self.results


def source(cell, spec):
    text = cell.get(spec["language"])
    return "\n".join(text) if isinstance(text, list) else text


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def drop_caches():
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError as error:
        raise Trouble(f"--drop-caches needs root, and a kernel of its own: {error}. Leave it out to measure with "
                      "whatever the page cache holds.")


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    # An end asked for from outside must end the kernels as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.pop("ATOMOTION_WARM", None)
    here = machine()
    if here["load"] > 1:
        say(f"Other programs are busy (load {here['load']:.1f}): the times will be too long.")
    bench = Bench(plan)
    begin = time.perf_counter()
    try:
        results = bench.run()
    except Trouble as error:
        raise SystemExit(f"error: {error}")
    except KeyboardInterrupt:
        raise SystemExit("interrupted: nothing was written")
    results.update(plan=plan, machine=here, seconds=time.perf_counter() - begin, cells_list=bench.cells,
                   date=time.strftime("%Y-%m-%d"))
    (bench.folder / "kernel.json").write_text(json.dumps(results, indent=1))
    text = report.markdown(results)
    print(f"\n{text}")
    if plan["readme"]:
        report.write(Path(plan["readme"]), text)
        say(f"wrote {plan['readme']}")
    return 1 if results["faults"].get("ours") else 0


if __name__ == "__main__":
    sys.exit(main())
