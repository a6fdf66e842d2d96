"""A kernel as Jupyter sees it: its messages with the times they came at, and its processes."""

import itertools
import os
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

import psutil
import zmq
from jupyter_client import BlockingKernelClient, KernelManager

NAME = "atomotion"
FIRST_CELL_S = 180
"""A first cell waits for the kernel to load the library."""
CELL_S = 60
GONE_S = 20

ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
PLACE = re.compile(r"cell \[(\d+)\], line (\d+)")
INTERNAL = re.compile(r"evcxr|EVCXR|ATOMOTION_|run_user_code|user_code_\w+|\bctx\b|src/lib\.rs|/rustc/")
"""What belongs to the engine or to generated code: a user must never read it."""


def plain(text):
    """Text without colours."""
    return ESCAPE.sub("", text)


def on_terminal(text):
    """What a terminal shows of text that uses carriage returns."""
    return "\n".join(line.rstrip("\r").split("\r")[-1] for line in text.split("\n"))


def wait_until(condition, what, timeout=CELL_S):
    """The first true value of `condition`, asked again and again."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"expected within {timeout} s: {what}. Last seen: {value!r}"
        time.sleep(0.02)


class Cell:
    """One request and all that came back for it."""

    def __init__(self, kernel, code, identity):
        self.kernel, self.code, self.identity = kernel, code, identity
        self.sent = time.monotonic()

    @property
    def messages(self):
        return self.kernel.published[self.identity]

    @property
    def reply(self):
        return self.kernel.replies.get(self.identity)

    @property
    def content(self):
        return self.reply["content"]

    @property
    def status(self):
        return self.content["status"]

    @property
    def count(self):
        return self.content.get("execution_count")

    @property
    def idle(self):
        states = [message["content"]["execution_state"] for message in self.of("status")]
        return bool(states) and states[-1] == "idle"

    @property
    def done(self):
        return self.reply is not None and self.idle

    @property
    def took(self):
        return self.messages[-1]["at"] - self.sent

    def of(self, *kinds):
        return [message for message in self.messages if message["header"]["msg_type"] in kinds]

    def stream(self, name):
        return "".join(m["content"]["text"] for m in self.of("stream") if m["content"]["name"] == name)

    @property
    def stdout(self):
        return self.stream("stdout")

    @property
    def stderr(self):
        return self.stream("stderr")

    @property
    def displays(self):
        """The bundles shown, the cell's value included, without updates."""
        return [message["content"]["data"] for message in self.of("display_data", "execute_result")]

    @property
    def result(self):
        """The cell's value as text, or None."""
        results = [message["content"]["data"].get("text/plain") for message in self.of("execute_result")]
        return results[0] if results else None

    @property
    def error(self):
        errors = self.of("error")
        return errors[0]["content"] if errors else None

    @property
    def traceback(self):
        """The error as the user reads it, without colours."""
        return plain("\n".join(self.error["traceback"])) if self.error else ""

    @property
    def places(self):
        """Every (cell, line) that the error names."""
        return [(int(cell), int(line)) for cell, line in PLACE.findall(self.traceback)]

    def started(self):
        """Waits until the kernel has taken the cell up."""
        self.kernel.until(lambda: self.of("execute_input"), f"the start of {self.code!r}", FIRST_CELL_S)
        return self

    def printed(self, text, timeout=CELL_S):
        """Waits until the cell has printed this."""
        self.kernel.until(lambda: text in self.stdout or self.done, f"{text!r} printed by {self.code!r}", timeout)
        assert text in self.stdout, f"expected {text!r} printed, but the cell ended: {self}"
        return self

    def finish(self, timeout=CELL_S):
        self.kernel.until(lambda: self.done, f"the end of {self.code!r}", timeout)
        return self

    def __repr__(self):
        reply = self.content if self.reply else "no reply yet"
        seen = [(m["header"]["msg_type"], short(m["content"])) for m in self.messages]
        return f"cell {self.code!r}\n  reply: {short(reply)}\n  published: {seen}\n{self.traceback}"


def short(content, limit=400):
    text = repr(content)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class Client:
    """A front end that is connected to a kernel."""

    def __init__(self, manager):
        self.manager = manager
        self.published, self.replies, self.asked = defaultdict(list), {}, []
        self.log = []
        self.connect()

    def connect(self):
        """Connects, and makes sure that what the kernel publishes arrives."""
        self.client = self.front_end()
        self.client.start_channels(hb=False)
        self.channels = {channel.socket: name for name, channel in [
            ("shell", self.client.shell_channel), ("control", self.client.control_channel),
            ("iopub", self.client.iopub_channel), ("stdin", self.client.stdin_channel)]}
        self.poller = zmq.Poller()
        for socket in self.channels:
            self.poller.register(socket, zmq.POLLIN)
        end = time.monotonic() + FIRST_CELL_S
        while True:
            info = Cell(self, "kernel_info_request", self.client.kernel_info())
            within = time.monotonic() + 1
            while time.monotonic() < within and not info.done:
                self.pump(0.1)
            if info.done:
                self.info = info
                return
            assert time.monotonic() < end, f"the kernel did not answer kernel_info within {FIRST_CELL_S} s"

    def front_end(self):
        """A session of its own, as every program that connects to a running kernel has."""
        client = BlockingKernelClient(connection_file=self.manager.connection_file)
        client.load_connection_file()
        return client

    def disconnect(self):
        self.client.stop_channels()

    def pump(self, seconds):
        """Takes in the messages that arrive within this time, or at least those that are there."""
        for socket, _ in self.poller.poll(int(seconds * 1000)):
            while True:
                _, message = self.client.session.recv(socket, mode=zmq.NOBLOCK)
                if message is None:
                    break
                self.take(self.channels[socket], message)

    def take(self, channel, message):
        message["at"], message["channel"] = time.monotonic(), channel
        parent = message["parent_header"].get("msg_id")
        self.log.append(message)
        if channel == "iopub":
            self.published[parent].append(message)
        elif channel == "stdin":
            self.asked.append(message)
        else:
            self.replies[parent] = message

    def until(self, condition, what, timeout=CELL_S):
        end = time.monotonic() + timeout
        while not condition():
            seen = "\n  ".join(f"{m['channel']} {m['header']['msg_type']} {short(m['content'])}" for m in self.log[-12:])
            assert time.monotonic() < end, f"expected within {timeout} s: {what}. The last messages were\n  {seen}"
            self.pump(0.1)

    def listen(self, seconds):
        """Takes in all that comes in this time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(min(left, 0.1))

    def begin(self, code, **options):
        """Sends a cell without waiting for it."""
        return Cell(self, code, self.client.execute(code, **options))

    def run(self, code, timeout=CELL_S, **options):
        return self.begin(code, **options).finish(timeout)

    def well(self, code, timeout=CELL_S, **options):
        """Runs a cell that must succeed."""
        cell = self.run(code, timeout, **options)
        assert cell.status == "ok" and not cell.error, f"expected the cell to succeed: {cell}"
        return cell

    def request(self, kind, content, channel="shell", timeout=CELL_S):
        """Sends any request and waits for its reply."""
        request = self.send(kind, content, channel)
        self.until(lambda: request.reply, f"a reply to {kind} on {channel}", timeout)
        return request

    def send(self, kind, content, channel="shell"):
        message = self.client.session.msg(kind, content)
        getattr(self.client, f"{channel}_channel").send(message)
        return Cell(self, kind, message["header"]["msg_id"])

    def interrupt(self):
        """What the stop button does. Waits for the kernel's word that it has heard."""
        return self.request("interrupt_request", {}, "control", 5)


class Kernel(Client):
    """A kernel of this clone with a front end connected."""

    def __init__(self, name=NAME, **options):
        self.launched = time.monotonic()
        manager = KernelManager(kernel_name=name)
        manager.start_kernel(**options)
        self.launcher = manager.provisioner.pid
        try:
            super().__init__(manager)
        except BaseException:
            manager.shutdown_kernel(now=True)
            raise

    def settle(self):
        """Waits until cells run, without running one that counts. Returns itself."""
        self.well("()", FIRST_CELL_S, store_history=False)
        return self

    def restart(self):
        self.disconnect()
        self.published.clear()
        self.replies.clear()
        self.launched = time.monotonic()
        self.manager.restart_kernel()
        self.launcher = self.manager.provisioner.pid
        self.connect()

    def process(self):
        """The process that listens for Jupyter's messages."""
        port = self.manager.shell_port
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return psutil.Process(connection.pid)
        raise AssertionError(f"no process listens on the kernel's shell port {port}")

    def user_process(self):
        """The process that runs the user's code."""
        return wait_until(lambda: next(iter(self.user_processes()), None), "a process for the user's code")

    def user_processes(self):
        found = []
        for process in self.process().children(recursive=True):
            try:
                if process.environ().get("EVCXR_IS_RUNTIME") and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                pass
        return found

    def family(self):
        """The launcher, the kernel process and everything beneath them."""
        family = {}
        heads = [psutil.Process(self.launcher)] if psutil.pid_exists(self.launcher) else []
        for head in [*heads, self.process()]:
            for process in [head, *head.children(recursive=True)]:
                family[process.pid] = process
        return list(family.values())

    def close(self):
        """Ends the kernel as Jupyter does, and makes sure that nothing of it stays."""
        try:
            family = self.family()
        except (AssertionError, psutil.Error):
            family = []
        self.disconnect()
        self.manager.shutdown_kernel()
        assert_gone(family, "the kernel was shut down")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def assert_gone(processes, after):
    """All of these end by themselves; what does not is ended, and the test fails."""
    _, alive = psutil.wait_procs(processes, timeout=GONE_S)
    names = []
    for process in alive:
        try:
            names.append(f"{process.pid} {' '.join(process.cmdline())[:80]}")
            process.kill()
        except psutil.NoSuchProcess:
            pass
    assert not names, f"expected to be gone {GONE_S} s after {after}, but still there: {names}"


def assert_failed(cell, ename, *words, line=None, of=None):
    """An error as users must get it: marked as one, named, placed in their own cell, in words they know."""
    assert cell.reply and cell.status == "error", f"expected status error ({ename}): {cell}"
    assert cell.error, f"expected an error message to be published: {cell}"
    for key in ("ename", "evalue", "traceback"):
        assert cell.content.get(key) == cell.error[key], f"the reply and the message differ in {key}: {cell}"
    assert cell.error["ename"] == ename, f"expected ename {ename}: {cell}"
    for word in words:
        text = f"{cell.error['evalue']}\n{cell.traceback}".lower()
        assert word.lower() in text, f"expected {word!r} in the error: {cell}"
    assert cell.error["evalue"] and "\n" not in cell.error["evalue"], f"expected evalue to be one line: {cell}"
    assert_readable(cell)
    if line is not None:
        place = (of or cell.count, line)
        assert place in cell.places, f"expected the place cell [{place[0]}], line {line}; seen {cell.places}: {cell}"
        if of is None:
            source = cell.code.splitlines()[line - 1].strip()
            assert source in cell.traceback, f"expected the source line {source!r}: {cell}"


def assert_readable(cell):
    """No word of the engine; colours that are readable on light and on dark."""
    for message in cell.messages:
        if message["header"]["msg_type"] == "execute_input":
            continue
        found = INTERNAL.search(plain(repr(message["content"])))
        assert not found, f"expected no word of the engine, but {found[0]!r} is in {cell}"
    for line in cell.error["traceback"] if cell.error else []:
        for codes, kind in ESCAPE.findall(line):
            numbers = {int(code or 0) for code in codes.split(";")}
            fine = kind == "m" and numbers <= {0, 1, 2, 3, 4, 22, 23, 24, 39, *range(31, 37)}
            assert fine, f"expected one of the basic colours, not escape {codes!r}{kind}: {line!r}"


def caret(cell, line):
    """The characters of a source line that the error underlines with ^^^."""
    source = cell.code.splitlines()[line - 1]
    rows = cell.traceback.splitlines()
    for above, below in itertools.pairwise(rows):
        at = above.find(source)
        if at >= 0 and "^" in below:
            first, last = below.index("^") - at, below.rindex("^") + 1 - at
            return source[first:last]
    raise AssertionError(f"expected {source!r} with ^ beneath: {cell}")


def environment():
    """For programs that tests start: modules come from this environment and nowhere else."""
    return {**os.environ, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}


PYTHON = sys.executable
CLONE = Path(os.environ.get("ATOMOTION_PROJECT") or Path(__file__).parents[2]).resolve()
FULL = os.environ.get("ATOMOTION_FULL") == "1"

SHORT_TRAINING = """
let movie = Ws2::default().with_size_px(128).simulate(2)?.movie;
let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
let brief = Training::default().with_batch(2);
"""
"""A training of several seconds on two cores: long enough to stop, short enough to finish."""
