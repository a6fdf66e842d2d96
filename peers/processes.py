"""The processes of a kernel and the memory they take, from /proc."""

import os
import platform
import threading
import time
from pathlib import Path

COMPILERS = ("rustc", "cargo", "cc", "gcc", "collect2", "lld", "mold", "rust-lld", "gcc-ld", "rustup")


def read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def command_line(pid):
    return [os.fsdecode(word) for word in read(f"/proc/{pid}/cmdline").split(b"\0")[:-1]]


def tree(roots):
    """The roots and everything beneath them."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            # "pid (name) state parent …"; the name may hold anything.
            fields = read(f"/proc/{name}/stat").rpartition(b")")[2].split()
            if len(fields) > 1:
                children.setdefault(int(fields[1]), []).append(int(name))
    found = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def role(pid):
    """What a process is to the kernel."""
    words = command_line(pid)
    name = os.path.basename(words[0]) if words else ""
    if name.startswith("python"):
        return "kernel"
    if name in COMPILERS or name.startswith("ld"):
        return "compiler"
    return "code of cells" if b"EVCXR_IS_RUNTIME" in read(f"/proc/{pid}/environ") else "kernel"


def proportional_kib(pid):
    """Memory with every shared page divided among those who share it."""
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0


class Watch:
    """Watches a kernel's processes while a block runs: peak memory per role, and the compilers that were started.

    It costs some of the time it watches: what is timed is not watched.
    """

    def __init__(self, roots, period=0.05):
        self.roots, self.period = roots, period
        self.peak_kib = 0
        self.roles_kib = {}
        # Command line, folder and crate of every rustc that was seen.
        self.compilers = {}

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def watch(self):
        while not self.stop.is_set():
            self.look()
            time.sleep(self.period)

    def look(self):
        total, roles = 0, {}
        for pid in tree(self.roots):
            kib = proportional_kib(pid)
            total += kib
            name = role(pid)
            roles[name] = roles.get(name, 0) + kib
            self.note_compiler(pid)
        self.peak_kib = max(self.peak_kib, total)
        for name, kib in roles.items():
            self.roles_kib[name] = max(self.roles_kib.get(name, 0), kib)

    def note_compiler(self, pid):
        if pid in self.compilers:
            return
        words = command_line(pid)
        if not words or os.path.basename(words[0]) != "rustc" or "--crate-name" not in words:
            return
        try:
            folder = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return
        self.compilers[pid] = {"words": words, "folder": folder, "crate": words[words.index("--crate-name") + 1]}


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
                  if line.startswith("MemTotal"))
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "memory_gib": memory / 2**20,
            "load": os.getloadavg()[0], "python": platform.python_version()}
