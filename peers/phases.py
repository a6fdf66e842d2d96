"""Where a cell's time goes: the kernel's own account of it, and rustc's of one recorded cell."""

import json
import os
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

RUNS = 5
# Lines of `-Z time-passes` that are asked for, in rustc's words.
CODEGEN = ("codegen_to_LLVM_IR", "LLVM_passes")
LINK = "link"
PASS = re.compile(r"^time:\s+([0-9.]+);.*\s(\S+)\s*$")


def read_trace(path, counts):
    """(phase, cell, seconds) of every line of ATOMOTION_KERNEL_TRACE whose cell is one of `counts`, which has a cell for
    each execution count."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
            cell = counts.get(entry["cell"])
            if cell is not None:
                found.append((entry["phase"], cell, entry["ms"] / 1000))
        except (ValueError, KeyError, TypeError):
            continue  # a line that was cut short when the kernel ended
    return found


def record(compiler, folder):
    """Keeps what a compiler was started with, while the cell's source is still there."""
    source = Path(compiler["folder"])
    if not (source / "src").is_dir():
        return None
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source / "src", folder / "src")
    if (source / "Cargo.toml").exists():
        shutil.copy(source / "Cargo.toml", folder)
    return {"words": compiler["words"], "from": str(source), "folder": str(folder)}


def time_passes(recorded):
    """Medians of front end, code generation, link and the whole of rustc, in seconds; None where rustc would not."""
    folder = Path(recorded["folder"])
    words = [word.replace(recorded["from"], str(folder)) for word in recorded["words"]]
    out = folder / "out"
    for at, word in enumerate(words):
        if word == "--out-dir":
            words[at + 1] = str(out)
    environment = dict(os.environ, RUSTC_BOOTSTRAP="1")
    runs = []
    for _ in range(RUNS):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        begin = time.perf_counter()
        plain = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
        wall = time.perf_counter() - begin
        passes = subprocess.run([*words, "-Z", "time-passes"], cwd=folder, capture_output=True, text=True, env=environment)
        if plain.returncode or passes.returncode:
            return None
        runs.append({"rustc": wall, **split(passes.stdout + passes.stderr)})
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def split(text):
    found = {}
    for match in filter(None, map(PASS.match, text.splitlines())):
        found[match[2]] = found.get(match[2], 0.0) + float(match[1])
    codegen = sum(found.get(name, 0.0) for name in CODEGEN)
    link = found.get(LINK, 0.0)
    return {"front end": max(found.get("total", 0.0) - codegen - link, 0.0), "code generation": codegen, "link": link}
