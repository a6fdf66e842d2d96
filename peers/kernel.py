"""A Jupyter kernel, started and asked as a notebook does, with the times at which it answers."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import zmq
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

# A kernel whose program calls itself so says when cells can run; others can run them once they have answered.
ANNOUNCES = "atomotion"


class Trouble(Exception):
    """What went wrong, as a sentence for the user."""


class Answer:
    """What one cell gave."""

    def __init__(self):
        self.reply, self.seconds = {}, 0.0
        self.outputs = []

    @property
    def count(self):
        return self.reply.get("execution_count")

    def text(self):
        """Everything that the cell said, in whatever form."""
        parts = []
        for output in self.outputs:
            parts += [str(output.get(key, "")) for key in ("text", "ename", "evalue")]
            parts += list(map(str, output.get("traceback", [])))
            parts += [str(value) for value in output.get("data", {}).values()]
        return "\n".join(part for part in parts if part)

    def plain(self):
        found = [output["data"].get("text/plain", "") for output in self.outputs if "data" in output]
        return found[-1] if found else ""

    def mimes(self):
        return {mime for output in self.outputs for mime in output.get("data", {})}


class Kernel:
    """One running kernel. `spec` is an entry of the benchmark's plan: name, argv, env, setup."""

    def __init__(self, spec, specs, folder, environment=None):
        self.spec, self.folder = spec, folder
        manager = KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name=spec["name"], kernel_spec_manager=manager)
        self.environment = dict(os.environ, **(environment or {}))
        self.log = folder / f"{spec['name']}.log"
        self.started = self.answered = self.ready = self.first = None

    def __enter__(self):
        self.started = time.perf_counter()
        with open(self.log, "ab") as log:
            self.manager.start_kernel(cwd=str(self.folder), env=self.environment, stdout=log, stderr=log)
        self.client = self.manager.client()
        self.client.start_channels(hb=False, stdin=False)
        self.poller = zmq.Poller()
        for channel in (self.client.shell_channel, self.client.iopub_channel):
            self.poller.register(channel.socket, zmq.POLLIN)
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        try:
            self.manager.shutdown_kernel(now=False)
        finally:
            self.manager.cleanup_resources()

    @property
    def pid(self):
        return self.manager.provisioner.pid

    def messages(self, until):
        """Messages of both sockets as they come, with their times; ends at the time `until`."""
        while (left := until - time.perf_counter()) > 0:
            for socket, _ in self.poller.poll(min(left, 0.5) * 1000):
                now = time.perf_counter()
                shell = socket is self.client.shell_channel.socket
                channel = self.client.shell_channel if shell else self.client.iopub_channel
                yield now, shell, channel.get_msg(timeout=0)
            if not self.manager.is_alive():
                raise Trouble(f"the kernel of `{self.spec['name']}` ended by itself; its words are in {self.log}")

    def wait_until_ready(self, patience=600):
        """Fills in `answered` (kernel_info's reply) and `ready` (cells can run), in seconds after the start.

        A status that is published before this client has subscribed is lost: so it asks again, every now and then.
        """
        until = self.started + patience
        asked, announces, idle = [], False, {}
        while time.perf_counter() < until:
            asked.append(self.client.kernel_info())
            for now, shell, message in self.messages(time.perf_counter() + 0.5):
                parent, now = message["parent_header"].get("msg_id"), now - self.started
                state = message["content"].get("execution_state") if message["msg_type"] == "status" else None
                if shell and parent in asked:
                    self.answered = self.answered or now
                    announces = message["content"].get("implementation", "").startswith(ANNOUNCES)
                elif state == "starting":
                    # Said again after each answer, for as long as it starts.
                    idle.clear()
                elif state == "idle" and parent is None:
                    self.ready = now
                elif state == "idle" and parent in asked:
                    idle[parent] = now
                    # The first that is not followed by "starting" tells of a kernel that was ready before it was asked.
                    if len(idle) == 1 and announces:
                        asked.append(self.client.kernel_info())
                if self.answered and idle and (len(idle) > 1 or not announces):
                    self.ready = self.ready or min(idle.values())
                if self.answered and self.ready:
                    return
        raise Trouble(f"the kernel of `{self.spec['name']}` was not ready after {patience} s; see {self.log}")

    def run(self, code, patience=120, waiting=None):
        """Runs a cell: from the request to the later of its reply and the idle that follows it."""
        answer = Answer()
        begin = time.perf_counter()
        asked = self.client.execute(code, allow_stdin=False, store_history=True)
        replied = idle = False
        told = begin
        for now, shell, message in self.messages(begin + patience):
            if message["parent_header"].get("msg_id") == asked:
                content, kind = message["content"], message["msg_type"]
                if shell:
                    answer.reply, replied = content, True
                elif kind == "status":
                    idle |= content["execution_state"] == "idle"
                elif kind in ("stream", "execute_result", "display_data", "error"):
                    answer.outputs.append(content)
                if replied and idle:
                    answer.seconds = now - begin
                    return answer
            if waiting and now - told > 30:
                told = now
                waiting(now - begin)
        raise Trouble(f"a cell of `{self.spec['name']}` was not done after {patience} s:\n{code}\nsee {self.log}")


def write_specs(plan, folder):
    """A folder of kernel specs of the benchmark's own."""
    for kernel in plan["kernels"]:
        spec = {"argv": kernel["argv"], "display_name": kernel["name"], "language": kernel["language"],
                "interrupt_mode": "message" if kernel["language"] == "rust" else "signal", "env": kernel["env"]}
        path = folder / kernel["name"] / "kernel.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spec, indent=1))


class Warm:
    """A kernel that has been started ahead of need: `atomotion-kernel warm`."""

    def __init__(self, argv, socket, folder, patience=120):
        self.socket = socket
        Path(socket).unlink(missing_ok=True)
        begin = time.perf_counter()
        with open(folder / "warm.log", "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                            text=True, env=dict(os.environ, ATOMOTION_WARM=socket))
        signal.signal(signal.SIGALRM, self.too_late)
        signal.alarm(patience)
        line = next((line for line in self.process.stdout if line.strip() == "ready"), None)
        signal.alarm(0)
        if line is None:
            self.end()
            raise Trouble("it ended without having said that it is ready")
        self.seconds = time.perf_counter() - begin

    def too_late(self, *_):
        self.end()
        raise Trouble("it did not say that it is ready in time")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        Path(self.socket).unlink(missing_ok=True)
