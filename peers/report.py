"""The tables of `cargo lab bench kernel`."""

import math
import statistics
from pathlib import Path

BEGIN, END = "<!-- written by `cargo lab bench kernel --write` -->", "<!-- end of what is written -->"


def median(values):
    return statistics.median(values) if values else math.nan


def percentile(values, share):
    """The smallest value that at least `share` of them do not exceed."""
    values = sorted(values)
    return values[max(math.ceil(share * len(values)) - 1, 0)] if values else math.nan


def s(seconds, digits=2):
    return "—" if seconds is None or math.isnan(seconds) else f"{seconds:.{digits}f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


class Cells:
    """Times of cells, by kernel. A cell's time is the median of its rounds; wrong answers do not count."""

    def __init__(self, results):
        self.all, self.by_cell = {}, {}
        for entry in results["cells"]:
            if entry["right"]:
                self.all.setdefault(entry["kernel"], []).append(entry["seconds"])
                self.by_cell.setdefault(entry["kernel"], {}).setdefault(entry["cell"], []).append(entry["seconds"])

    def of(self, kernel, cells=None):
        found = self.by_cell.get(kernel, {})
        return [median(times) for cell, times in found.items() if cells is None or cell in cells]

    def one(self, kernel, cell):
        return median(self.by_cell.get(kernel, {}).get(cell, []))

    def slowest(self, kernel):
        return max(self.all.get(kernel, [math.nan]))


def markdown(results):
    plan, cells = results["plan"], Cells(results)
    parts = [opening(results), "### Start, in seconds", starts(results),
             f"### {len(results['cells_list'])} cells, in seconds", summary(results, cells), ratio(plan, cells),
             "### By kind of cell: medians, in seconds", kinds(results, cells), "### Aims", aims(results, cells),
             "### Where a cell's time goes", phase_table(results), "### `:opt`", opt(results),
             "### Memory", memory(results), "### Every cell, in seconds", each(results, cells)]
    if results["faults"]:
        parts += ["### Cells that did not give what they should", faults(results)]
    if plan["left_out"] or results["notes"]:
        parts += ["### Left out", "\n".join(f"- {note}" for note in plan["left_out"] + results["notes"])]
    return "\n\n".join(parts) + "\n"


def opening(results):
    plan, here = results["plan"], results["machine"]
    cache = ("The page cache was emptied before every start." if plan["drop_caches"] else
             "The page cache was left as it was: files that had been read before came from memory.")
    return (f"`{plan['command']}`, {results['date']}: {here['cores']} cores of {here['cpu']}, "
            f"{here['memory_gib']:.0f} GiB, {plan['rustc']}, load {here['load']:.1f} before; {plan['rounds']} rounds, the "
            f"kernels in turn, {results['seconds'] / 60:.0f} minutes in all. {cache}")


def titles(results):
    return {spec["name"]: spec["title"] for spec in results["plan"]["kernels"]}


def starts(results):
    rows = []
    named = {**titles(results), "warm": "ours, kept warm by `cargo lab`"}
    for name, title in named.items():
        found = [start for start in results["starts"] if start["kernel"] == name]
        if found:
            first, ready = [[start[key] for start in found] for key in ("first", "ready")]
            rows.append([title, s(median([start["answered"] for start in found])), s(median(ready)),
                         s(median([start["setup"] for start in found])), s(median(first)), s(first[0]), s(max(first))])
    head = ["", "answers", "ready", "loading the library", "first result", "first result, round 1", "slowest"]
    return table(head, rows) + "\n\n" + setup_note(results)


def setup_note(results):
    lines = ["All from the start of the process, but for the loading, which is what the user's own first cells take: "
             "`:dep` and `use` in a stock kernel, `import` in Python. Medians of the rounds."]
    for name, seconds in results["setup"].items():
        lines.append(f"Before the rounds, {titles(results)[name]} loaded the library once, in {seconds:.0f} s.")
    return "\n".join(lines)


def summary(results, cells):
    rows = []
    for name, title in titles(results).items():
        times = cells.of(name)
        rows.append([title, len(times), s(median(times), 3), s(percentile(times, 0.9), 3),
                     s(max(times, default=math.nan), 3), s(cells.slowest(name), 3)])
    return table(["", "cells", "median", "90th percentile", "slowest cell", "slowest run of a cell"], rows)


def ratio(plan, cells):
    """Over the cells that both kernels ran right."""
    lines = ["A cell runs from its request to the later of its reply and `idle`; its time is the median of the rounds."]
    for spec in plan["kernels"]:
        if spec["name"] != "ours":
            both = set(cells.by_cell.get("ours", {})) & set(cells.by_cell.get(spec["name"], {}))
            if both:
                other, ours = median(cells.of(spec["name"], both)), median(cells.of("ours", both))
                lines.append(f"{spec['title']}'s median is {other / ours:.2g} times ours ({len(both)} cells).")
    return "\n".join(lines)


def kinds(results, cells):
    by_kind = {}
    for index, cell in enumerate(results["cells_list"]):
        by_kind.setdefault(cell["kind"], []).append(index)
    rows = [[f"{kind} ({len(members)})", *(s(median(cells.of(name, members)), 3) for name in titles(results))]
            for kind, members in by_kind.items()]
    return table(["", *titles(results).values()], rows)


def each(results, cells):
    rows = []
    for index, cell in enumerate(results["cells_list"]):
        rust = cell["rust"] if isinstance(cell["rust"], str) else cell["rust"][0] + " …"
        rust = rust if len(rust) <= 60 else rust[:59] + "…"
        rows.append([cell["name"] + ": `" + rust.replace("|", "\\|") + "`",
                     *(s(cells.one(name, index), 3) for name in titles(results))])
    return table(["", *titles(results).values()], rows)


def aims(results, cells):
    ready = {name: [start["ready"] for start in results["starts"] if start["kernel"] == name] for name in ("ours", "warm")}
    first = [start["first"] for start in results["starts"] if start["kernel"] == "ours"]
    both = set(cells.by_cell.get("ours", {})) & set(cells.by_cell.get("stock", {}))
    rows = [
        aim("median cell", median(cells.of("ours")), "0.35", "0.45"),
        aim("slowest run of a cell", cells.slowest("ours"), "0.80", "1.20"),
        aim("first result, slowest start", max(first, default=math.nan), "6.00", ""),
        aim("ready, slowest start", max(ready["ours"], default=math.nan), "", "12.00"),
        aim("ready, kept warm, slowest start", max(ready["warm"], default=math.nan), "", "2.00"),
    ]
    times = median(cells.of("stock", both)) / median(cells.of("ours", both)) if both else math.nan
    rows.append(["stock's median over ours", "—" if math.isnan(times) else f"{times:.1f}", "", at_least(times, 3)])
    return table(["", "measured", "aimed at, at most", "to be had, at most"], rows)


def aim(name, seconds, best, enough):
    marks = [f"{limit}: {'yes' if seconds <= float(limit) else 'no'}" if limit else "" for limit in (best, enough)]
    return [name, s(seconds, 3), *(marks if not math.isnan(seconds) else [best, enough])]


def at_least(value, limit):
    return f"at least {limit}" + ("" if math.isnan(value) else f": {'yes' if value >= limit else 'no'}")


def phase_table(results):
    """Sums per cell and round first: a phase may come twice in a cell."""
    names, kinds_found = [], {}
    rounds = results["plan"]["rounds"]
    sums = {}
    for entry in results["phases"]:
        if entry["phase"] not in names:
            names.append(entry["phase"])
        sums[entry["cell"], entry["phase"]] = sums.get((entry["cell"], entry["phase"]), 0.0) + entry["seconds"] / rounds
    for cell, phase in sums:
        kinds_found.setdefault(results["cells_list"][cell]["kind"], set()).add(cell)
    lines = []
    if names:
        rows = [[kind, *(s(median([sums.get((cell, name), 0.0) for cell in members]), 3) for name in names)]
                for kind, members in kinds_found.items()]
        every = {cell for cell, _ in sums}
        rows.append(["all", *(s(median([sums.get((cell, name), 0.0) for cell in every]), 3) for name in names)])
        lines += [table(["kind of cell", *names], rows), "By the kernel's own account; medians over cells, in seconds."]
    else:
        lines.append("The kernel kept no account of its phases (`ATOMOTION_KERNEL_TRACE`).")
    passes = {name: found for name, found in results["passes"].items() if found}
    if passes:
        keys = list(next(iter(passes.values())))
        rows = [[name, *(s(found[key], 3) for key in keys)] for name, found in passes.items()]
        lines += [table(["rustc by itself", *keys], rows),
                  "The recorded command of a cell, run again five times; its parts by rustc's own `-Z time-passes`, medians."]
    return "\n\n".join(lines)


def opt(results):
    found = results["opt"]
    if not found:
        return "Not looked at: our kernel was left out."
    rows = [[f"`{code}`", s(seconds, 3), status] for code, seconds, status in found["times"]]
    crates = ", ".join(f"`{crate}`" for crate in found["crates"]) or "nothing that was seen"
    verdict = "nothing but the cell" if set(found["crates"]) <= {"ctx"} else "MORE THAN THE CELL"
    return table(["cell", "seconds", ""], rows) + f"\n\nCompiled meanwhile: {crates} ({verdict})."


def memory(results):
    rows = []
    for name, title in titles(results).items():
        found = results["memory"].get(name)
        if found:
            parts = ", ".join(f"{role} {kib / 1024:.0f}" for role, kib in sorted(found["roles_kib"].items()))
            rows.append([title, f"{found['peak_kib'] / 1024:.0f}", parts])
    note = ("MiB of the whole process tree over a start and all cells (PSS: a page that several share counts once), looked "
            "at every 0.05 s in a round that is not timed; the parts' peaks need not come together.")
    return table(["", "peak", "peak of each part"], rows) + "\n\n" + note


def faults(results):
    return "\n".join(f"- {titles(results)[kernel]}, {cell}: {problem}"
                     for kernel, found in results["faults"].items() for cell, problem in found.items())


def write(path, text, begin=BEGIN, end=END):
    """Between the marks, whole or not at all."""
    page = path.read_text()
    before, mark, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not mark or not found:
        raise SystemExit(f"{path} lacks the lines {begin} and {end}: put them where the tables are to stand")
    partial = path.with_name(path.name + ".partial")
    partial.write_text(f"{before}{mark}\n\n{text}\n{end}{after}")
    partial.replace(path)


def say(text):
    print(text, flush=True)


def told(parts, before=lambda title: None):
    """Titles and what was measured under each, shown as it comes."""
    text = []
    for title, part in parts:
        before(title)
        made = part()
        say(f"\n{title}\n\n{made}")
        text += [title, made]
    return text


def keep(plan, path, text, begin, end):
    """All parts as one page: in a file, and between the marks where that was asked for."""
    page = "\n\n".join(part for part in text if part) + "\n"
    path.write_text(page)
    if plan["readme"]:
        write(Path(plan["readme"]), page, begin, end)
