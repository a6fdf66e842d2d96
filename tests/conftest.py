"""What all tests of the kernel share: this clone's Jupyter, the account of results, and no process left behind."""

import os
from pathlib import Path

import psutil
import pytest

CLONE = Path(os.environ.get("ATOMOTION_PROJECT") or Path(__file__).parents[1]).resolve()
JUPYTER = CLONE / ".atomotion" / "jupyter"
PROGRAM = CLONE / ".atomotion" / "kernel" / "bin" / "atomotion-kernel"


def pytest_configure(config):
    """`cargo lab test` sets these; a pytest started by hand sees the same Jupyter."""
    os.environ.setdefault("JUPYTER_PATH", str(JUPYTER))
    for name, folder in [("CONFIG", "config"), ("DATA", "data"), ("RUNTIME", "runtime")]:
        os.environ.setdefault(f"JUPYTER_{name}_DIR", str(JUPYTER / folder))
    os.environ.setdefault("IPYTHONDIR", str(JUPYTER / "ipython"))
    os.environ.setdefault("JUPYTERLAB_SETTINGS_DIR", str(JUPYTER / "settings"))
    os.environ.setdefault("JUPYTERLAB_WORKSPACES_DIR", str(JUPYTER / "workspaces"))


def pytest_sessionstart(session):
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} is missing: run `cargo lab setup` first", returncode=1)


def pytest_terminal_summary(terminalreporter):
    """The counts in the words of `cargo test`, which `cargo lab test` adds up, and the figures tests measured."""
    stats = terminalreporter.stats
    passed, skipped = (len(stats.get(key, [])) for key in ("passed", "skipped"))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    # As in cargo's own tests, a test that only says that it was skipped counts as passed: the reader subtracts them.
    verdict = "FAILED" if failed else "ok"
    terminalreporter.write_line(f"test result: {verdict}. {passed + skipped} passed; {failed} failed; 0 ignored")


def pytest_runtest_logreport(report):
    """One line for each test that was skipped, for the account at the end of `cargo lab test`."""
    account = os.environ.get("ATOMOTION_SKIPPED")
    if report.skipped and account and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "skipped"
        with open(account, "a", encoding="utf-8") as file:
            file.write(f"{report.nodeid.split('::')[-1]}: {reason}\n")


def kernel_processes():
    """The processes of this clone's kernels, also those that wait for a notebook."""
    found = set()
    for process in psutil.process_iter(["exe"]):
        if process.info["exe"] == str(PROGRAM):
            found.add(process)
    return found


@pytest.fixture
def figures(capsys):
    """Prints what a test measured, so that it is seen whether or not the test passes."""
    def show(text):
        with capsys.disabled():
            print(f"\n    {text}", flush=True)
    return show
