"""What the Jupyter extension of VS Code sends to a kernel, in its order, and what it needs to get back.

`vscode.json` holds the sequence: a message, or a step between messages, and what must come of it. Where it follows the
extension's source it names the file.
"""

import json
import signal
import time
import uuid
from pathlib import Path

import psutil
from helpers import FIRST_CELL_S, GONE_S, Cell, Kernel, assert_readable, wait_until

SEQUENCE = json.loads((Path(__file__).parent / "vscode.json").read_text())


class Extension(Kernel):
    """The extension's end: one identity for all its sockets, and headers as its JavaScript writes them."""

    def __init__(self):
        self.open = []
        super().__init__()

    def send(self, kind, content, channel="shell", metadata=None):
        message = self.client.session.msg(kind, content, metadata=metadata or {})
        message["header"].update(version="5.2", username=str(uuid.uuid4()), subshell_id=None)
        getattr(self.client, f"{channel}_channel").send(message)
        return Cell(self, kind, message["header"]["msg_id"])

    @property
    def last_status(self):
        """The extension shows the last status that it has heard, whatever it is about."""
        states = [m["content"]["execution_state"] for m in self.log if m["header"]["msg_type"] == "status"]
        return states[-1]

    def start_again(self, connection_file):
        self.disconnect()
        self.log.clear()
        if connection_file == "another":
            self.manager.cleanup_connection_file()
            for channel in ("shell", "iopub", "stdin", "control", "hb"):
                setattr(self.manager, f"{channel}_port", 0)
        ports = self.manager.shell_port
        self.launched = time.monotonic()
        self.manager.start_kernel()
        self.launcher = self.manager.provisioner.pid
        assert (self.manager.shell_port == ports) == (connection_file == "the same")
        self.connect()

    def terminate(self):
        family, head = self.family(), psutil.Process(self.launcher)
        for process in [*head.children(recursive=True), head]:
            try:
                process.send_signal(signal.SIGTERM)
            except psutil.NoSuchProcess:
                pass
        self.forget_process()
        _, alive = psutil.wait_procs(family, timeout=GONE_S)
        assert not alive, f"expected SIGTERM to end everything: {alive}"

    def forget_process(self):
        """Reaps what was started, as the parent of a process does."""
        self.manager.provisioner.process.wait(GONE_S)


def replay(extension, entry):
    """Sends one message and holds what comes back against the entry."""
    request = extension.send(entry["type"], entry["content"], entry["channel"], entry.get("metadata"))
    request.code = entry["content"].get("code", entry["type"])
    request.entry = entry
    extension.open.append(request)
    wait = entry.get("wait", True)
    if wait is False:
        return
    if wait is not True:
        request.printed(wait.removeprefix("at "))
        return
    if "asked" in entry:
        extension.until(lambda: extension.asked or request.done, "an input_request")
        assert extension.asked and extension.asked.pop()["content"] == entry["asked"], f"expected a question: {request}"
        extension.client.input(entry["answer"])
    for other in list(extension.open):
        if other.done or not str(other.entry.get("wait")).startswith("at "):
            finish(extension, other)
    if "last_status" in entry:
        extension.listen(0.2)
        assert extension.last_status == entry["last_status"], f"expected {entry['last_status']} last: {request}"


def finish(extension, request):
    """Waits for all that belongs to a request."""
    entry = request.entry
    extension.open.remove(request)
    shuts_down = entry["type"] == "shutdown_request"
    # A first cell waits for the kernel to load the library.
    patience = entry.get("within_s", FIRST_CELL_S)
    extension.until(lambda: request.reply and (request.idle or shuts_down), f"an answer to {entry}", FIRST_CELL_S)
    took = request.reply["at"] - request.sent
    assert took < patience, f"expected an answer within {patience} s, seen {took:.2f} s: {request}"
    assert request.reply["channel"] == entry["channel"], f"expected the reply on {entry['channel']}: {request.reply}"
    assert request.reply["header"]["msg_type"] == entry["type"].replace("request", "reply")
    for key, value in entry["reply"].items():
        assert request.content.get(key) == value, f"expected {key} to be {value!r}: {request}"
    if "offers" in entry:
        assert set(entry["offers"]) <= set(request.content["matches"]), f"expected {entry['offers']}: {request}"
    if "published" in entry:
        kinds = [message["header"]["msg_type"] for message in request.messages]
        states = [message["content"]["execution_state"] for message in request.of("status")]
        # While it runs, other requests are answered, and after each the cell is said to be busy still.
        well = kinds[0] == kinds[-1] == "status" and set(states[:-1]) == {"busy"} and states[-1] == "idle"
        assert well, f"expected busy first and idle last: {request}"
        between = [kind for kind in kinds if kind != "status"]
        assert between == entry["published"], f"expected {entry['published']}: {request}"
        assert_readable(request)
    if "shows" in entry:
        assert request.result == entry["shows"], f"expected {entry['shows']}: {request}"


def test_the_extensions_messages_are_answered_as_it_needs(figures):
    extension = Extension()
    started = time.monotonic()
    try:
        for entry in SEQUENCE:
            match entry.get("step"):
                case None:
                    replay(extension, entry)
                case "start":
                    extension.log.clear()
                case "finish":
                    for request in list(extension.open):
                        extension.until(lambda: request.done, f"the end of {request}", entry["within_s"])
                        finish(extension, request)
                    extension.listen(0.2)
                    assert extension.last_status == entry["last_status"], f"expected {entry['last_status']} at the end"
                case "start again":
                    extension.start_again(entry["connection_file"])
                case "terminate":
                    extension.terminate()
                case "gone":
                    wait_until(lambda: extension.manager.provisioner.process.poll() is not None, "the launcher's end",
                               entry["within_s"])
                case other:
                    raise AssertionError(f"vscode.json has an unknown step {other!r}")
        figures(f"{len(SEQUENCE)} entries in {time.monotonic() - started:.1f} s")
    finally:
        extension.close()
