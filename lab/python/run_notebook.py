"""Executes a notebook and writes NAME.executed.ipynb and NAME.html, also when a cell failed.

A cell fails by an error, by the kernel's death or by running too long. A cell tagged `raises-exception` may err.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
KERNEL_START_S = 300


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--timeout", type=int, required=True, help="seconds a cell may take")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def read(path):
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook
    except FileNotFoundError:
        raise SystemExit(f"error: {path}: there is no such notebook")
    except IsADirectoryError:
        raise SystemExit(f"error: {path} is a folder: name a notebook in it")
    except Exception as error:
        raise SystemExit(f"error: {path} is not a notebook that can be read: {str(error).splitlines()[0]}")


def error_of(cell):
    return "\n".join(line for out in cell.outputs if out.output_type == "error"
                     for line in [*out.traceback, f"{out.ename}: {out.evalue}"])


def run_cell(client, cell, index):
    """What went wrong in a cell, or None."""
    try:
        client.execute_cell(cell, index)
    except CellExecutionError as error:
        return f"it raised an error:\n{error_of(cell) or error}"
    except CellTimeoutError:
        return f"it ran longer than {client.timeout} s (--timeout S allows more)"
    except DeadKernelError:
        return "the kernel died"
    return None


def run_cells(client, notebook):
    """Runs the code cells in order, up to the first that fails. True when all went well."""
    code = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    code = [(index, cell) for index, cell in code if cell.source.strip()]
    for number, (index, cell) in enumerate(code, 1):
        first = cell.source.strip().splitlines()[0]
        started = time.monotonic()
        problem = run_cell(client, cell, index)
        took = time.monotonic() - started
        print(f"  cell {number:>3} of {len(code)} {took:8.2f} s  {'FAILED  ' if problem else ''}{first[:60]}", flush=True)
        if problem:
            show_failure(number, cell, problem)
            return False
    return True


def show_failure(number, cell, problem):
    source = "\n".join(f"    | {line}" for line in cell.source.splitlines())
    problem = "\n".join(f"    {line}" for line in ANSI.sub("", problem).rstrip().splitlines())
    print(f"\n  Cell {number} failed:\n{source}\n{problem}\n", flush=True)


def execute(notebook, options):
    folder = options.notebook.resolve().parent
    client = NotebookClient(notebook, kernel_name=options.kernel, timeout=options.timeout,
                            startup_timeout=KERNEL_START_S, resources={"metadata": {"path": str(folder)}})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started = time.monotonic()
    try:
        with client.setup_kernel():
            print(f"  kernel started   {time.monotonic() - started:8.2f} s", flush=True)
            return run_cells(client, notebook)
    except (RuntimeError, DeadKernelError) as error:
        print(f"  the kernel `{options.kernel}` did not start: {error}\n"
              "  `cargo lab doctor` says what is missing.", flush=True)
        raise SystemExit(1)


def write(path, text):
    """Whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    print(f"  wrote {path}", flush=True)


def add_to_manifest(folder, names):
    """Lists what was written here in the manifest that the notebook left in the same folder, where it left one."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for name in names:
            data = (folder / name).read_bytes()
            manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    except (OSError, ValueError, KeyError):
        return
    write(path, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def main():
    options = arguments()
    # An end asked for from outside must end the kernel as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    notebook = read(options.notebook)
    print(options.notebook, flush=True)
    out = options.out or options.notebook.parent
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        well = execute(notebook, options)
    except KeyboardInterrupt:
        raise SystemExit("interrupted: nothing was written")
    name = options.notebook.stem
    write(out / f"{name}.executed.ipynb", nbformat.writes(notebook))
    page, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": name}})
    write(out / f"{name}.html", page)
    if os.environ.get("ATOMOTION_OUT") and Path(os.environ["ATOMOTION_OUT"]).resolve() == out.resolve():
        add_to_manifest(out, [f"{name}.executed.ipynb", f"{name}.html"])
    print(f"  {'all cells ran' if well else 'failed'} in {time.monotonic() - started:.1f} s", flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
