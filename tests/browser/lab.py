"""JupyterLab as a user has it: its server, and a notebook on a page of the browser."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import psutil
from helpers import CELL_S, CLONE, FIRST_CELL_S, NAME, PYTHON, assert_gone, environment, wait_until

DISPLAY_NAME = "Rust (Atomotion)"
SCREENSHOTS = Path(os.environ.get("ATOMOTION_SCREENSHOTS") or CLONE / ".atomotion" / "test" / "screenshots")
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
"""For the root user of a container, and so that the browser asks nobody but our server."""


def find_browser():
    """The browser's path, or None."""
    named = os.environ.get("ATOMOTION_BROWSER")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)


class Server:
    """JupyterLab as `cargo lab` starts it, on a folder of its own."""

    def __init__(self, folder):
        self.root, self.own = folder / "notebooks", folder / "jupyter"
        self.root.mkdir()
        self.own.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address, self.token = f"http://127.0.0.1:{port}", secrets.token_hex(16)
        # The kernel and the settings are the clone's; what a session leaves behind stays in the folder.
        folders = {"JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
                   "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython", "ATOMOTION_CACHE": "cache"}
        variables = {name: str(self.own / place) for name, place in folders.items()}
        variables |= {"JUPYTER_TOKEN": self.token, "JUPYTER_PREFER_ENV_PATH": "1"}
        self.log = (folder / "server.log").open("w", encoding="utf-8")
        self.process = psutil.Popen(
            [PYTHON, "-m", "jupyterlab", "--ServerApp.log_level=WARN", "--LabApp.log_level=WARN",
             "--ServerApp.answer_yes=True", "--LanguageServerManager.autodetect=False",
             f"--MultiKernelManager.default_kernel_name={NAME}", f"--ServerApp.root_dir={self.root}",
             "--LabApp.default_url=/lab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0",
             *(["--allow-root"] if os.geteuid() == 0 else [])],
            env=environment() | variables, cwd=self.root, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT)

    def said(self):
        return Path(self.log.name).read_text(encoding="utf-8", errors="replace")[-4000:]

    def ask(self, path, content=None):
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.address}/api/{path}", data, headers)
        with urllib.request.urlopen(request, timeout=CELL_S) as answer:
            return json.load(answer)

    def ready(self):
        def answers():
            assert self.process.poll() is None, f"expected JupyterLab to run, but it has ended:\n{self.said()}"
            try:
                return self.ask("status")
            except (urllib.error.URLError, ConnectionError):
                return None
        wait_until(answers, "an answer of JupyterLab's server")
        return self

    def connections(self):
        """Pages that are connected to a kernel; None while one is being started, which the server cannot list."""
        try:
            return sum(kernel["connections"] for kernel in self.ask("kernels"))
        except urllib.error.HTTPError:
            return None

    def write(self, path, cells):
        """A notebook that has not been run. It gets the kernel that runs already, where there is one."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": NAME, "display_name": DISPLAY_NAME, "language": "rust"}
        nbformat.write(notebook, self.root / path)
        for kernel in self.ask("kernels")[:1]:
            self.ask("sessions", {"path": path, "name": path, "type": "notebook", "kernel": {"id": kernel["id"]}})

    def forget_settings(self):
        shutil.rmtree(self.own / "settings", ignore_errors=True)

    def close(self):
        """What Ctrl-C does, after which nothing of it may stay."""
        family = [self.process, *self.process.children(recursive=True)] if self.process.is_running() else []
        self.process.terminate()
        self.log.close()
        assert_gone(family, "JupyterLab was ended")


def shot(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


class Notebook:
    """A notebook on a page. Cells are counted from 0, and each is run once."""

    def __init__(self, page, server, path, address="lab/tree"):
        wait_until(lambda: server.connections() == 0, "the page before this one to have left its kernel")
        self.page = page
        page.goto(f"{server.address}/{address}/{path}?reset&token={server.token}")
        self.cell(0).wait_for()
        # Until then JupyterLab takes the notebook for one without a kernel, and runs nothing.
        wait_until(lambda: server.connections() == 1, "the notebook to be connected to its kernel", FIRST_CELL_S)
        self.idle()

    def cell(self, at):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(at)

    def outputs(self, at):
        return self.cell(at).locator(".jp-OutputArea-child")

    def error(self, at):
        return self.cell(at).locator('[data-mime-type="application/vnd.jupyter.stderr"]')

    def text(self, at):
        """All that a cell has put out, as the page shows it."""
        return "\n".join(self.cell(at).locator(".jp-OutputArea-output").all_inner_texts())

    def prompt(self, at):
        """What stands beside a cell: its number, `*`, or nothing."""
        return self.cell(at).locator(".jp-InputPrompt").inner_text().strip("[]: \n")

    def edit(self, at):
        self.cell(at).locator(".cm-content").click()

    def type(self, at, code):
        """Adds to the end of a cell."""
        self.edit(at)
        self.page.keyboard.press("Control+End")
        self.page.keyboard.insert_text(code)

    def start(self, at):
        """Shift+Enter in a cell. Returns when it has been sent."""
        self.edit(at)
        self.page.keyboard.press("Shift+Enter")
        wait_until(lambda: self.prompt(at), f"cell {at} to be sent")

    def finish(self, at):
        """Waits for the end of a cell that has been sent, and returns its number."""
        wait_until(lambda: self.prompt(at) != "*", f"the end of cell {at}", FIRST_CELL_S)
        assert self.prompt(at).isdigit(), f"expected cell {at} to be run, but it was given up"
        return int(self.prompt(at))

    def run(self, at):
        """Runs a cell that must succeed."""
        self.start(at)
        number = self.finish(at)
        assert not self.error(at).count(), f"expected cell {at} to succeed:\n{self.text(at)}"
        return number

    def fail(self, at):
        """Runs a cell that must fail, and returns its number."""
        self.start(at)
        number = self.finish(at)
        self.error(at).wait_for()
        return number

    def stop(self, at):
        """Presses the stop button, and returns after how many seconds the cell had ended."""
        button = self.page.locator('[data-command="notebook:interrupt-kernel"]').first
        pressed = time.monotonic()
        button.click()
        self.finish(at)
        return time.monotonic() - pressed

    def idle(self):
        self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(
            timeout=1000 * FIRST_CELL_S)

    def menu(self, *names):
        """Chooses from the menu bar, level by level."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{names[0]}$")).click()
        for name in names[1:]:
            self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{name}$")).click()

    def reading(self, at):
        """The bar of a cell at this moment, or None: its value, its width on the screen, the points of its curve."""
        return self.cell(at).evaluate("""cell => {
            const bar = cell.querySelector('[role=progressbar]');
            if (!bar) return null;
            const points = cell.querySelector('svg polyline')?.getAttribute('points').split(' ').length ?? 0;
            const full = bar.querySelector(':scope > div > div').getBoundingClientRect().width;
            return {value: +bar.getAttribute('aria-valuenow'), width: full, points, text: bar.parentElement.innerText,
                    areas: cell.querySelectorAll('.jp-OutputArea-child').length};
        }""")

    def contrasts(self, at):
        """Contrast (WCAG 2) of every piece of text that a cell has put out, lowest first."""
        return sorted(self.cell(at).locator(".jp-OutputArea-output").first.evaluate(CONTRASTS))

    def shot(self, name):
        shot(self.page, name)


CONTRASTS = """root => {
    const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    // Any CSS colour as red, green, blue and alpha from 0 to 1.
    const parse = colour => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        return Array.from(pen.getImageData(0, 0, 1, 1).data, v => v / 255);
    };
    const over = (top, alpha, below) => below.map((v, i) => alpha * top[i] + (1 - alpha) * v);
    const light = colour => {
        const [r, g, b] = colour.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = element => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            const layer = parse(getComputedStyle(at).backgroundColor);
            layers.push(layer);
            if (layer[3] == 1) break;
        }
        return layers.reverse().reduce((below, layer) => over(layer, layer[3], below), [1, 1, 1]);
    };
    const opacity = element => element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1;
    const found = [];
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const element = walk.currentNode.parentElement, style = getComputedStyle(element);
        if (!walk.currentNode.data.trim()) continue;
        const colour = parse(element instanceof SVGElement ? style.fill : style.color), paper = background(element);
        const seen = over(colour, colour[3] * opacity(element), paper);
        const [dim, bright] = [light(seen), light(paper)].sort((a, b) => a - b);
        found.push([(bright + 0.05) / (dim + 0.05), walk.currentNode.data.trim().slice(0, 40)]);
    }
    return found;
}"""
