"""Kernels begin, are restarted, crash and end: what was lost is told, and nothing stays behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from helpers import CELL_S, CLONE, FIRST_CELL_S, FULL, Kernel, assert_failed, wait_until

PROGRAM = CLONE / ".atomotion" / "kernel" / "bin" / "atomotion-kernel"
ENDS_S = 10
"""After one of a kernel's processes is killed, the others are gone within this."""


patient = pytest.mark.skipif(not FULL, reason="waits for several kernels to start: `cargo lab test --full`")


@pytest.fixture
def cache():
    """A cache folder of the test's own, whose path is short enough for sockets to lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="am-"))
    yield folder
    shutil.rmtree(folder)


def sessions(cache):
    """Folders and locks of sessions in the cache."""
    return sorted(path.name for path in (cache / "sessions").glob("*"))


def surroundings(cache, **variables):
    return {**os.environ, "ATOMOTION_CACHE": str(cache), **variables}


def gone(processes, within=ENDS_S):
    _, alive = psutil.wait_procs(processes, timeout=within)
    told = []
    for process in alive:
        try:
            told.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
        except psutil.NoSuchProcess:
            pass
    return told


def compilers(kernel):
    return [process for process in kernel.process().children(recursive=True) if process.name() == "rustc"]


# Evaluated by the compiler, which takes its time.
SLOW_TO_COMPILE = """
#[allow(long_running_const_eval)]
const SLOW: u64 = { let mut n = 0_u64; while n < 60_000_000 { n += 1; } n };
println!("{SLOW}");
"""
BUSY = {
    "computing": 'println!("on");\nlet mut n = 0_u64;\nloop { n = n.wrapping_add(1); if n == u64::MAX { break; } }',
    "printing": 'loop { println!("on and on"); }',
    "sleeping": 'println!("on");\nstd::thread::sleep(std::time::Duration::from_secs(60));',
    "training": 'println!("on");\nlet movie = Ws2::default().with_size_px(128).simulate(2)?.movie;\n'
                "let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;\n"
                "Detector::train(&labels, &Training::default().with_steps(100_000))?",
}


def lost(kernel, cell, *words):
    """The cell is a crash that names the lost variables, and the kernel goes on."""
    assert_failed(cell, "Crash", "`gone`", "`also_gone`", "went with it", *words)
    later = kernel.run("gone")
    assert_failed(later, "CompileError", "`gone`", f"cell [{cell.count}]")
    assert kernel.well("stays() + 1").result == "4", "expected functions to outlive the crash"


@pytest.fixture
def holding(kernel):
    kernel.well("let gone = 1;\nlet also_gone = vec![2];\nfn stays() -> i32 { 3 }")
    return kernel


@pytest.mark.parametrize("code", BUSY.values(), ids=BUSY.keys())
def test_a_process_that_is_killed_at_work_is_a_crash(holding, figures, code):
    cell = holding.begin(code).printed("on")
    holding.listen(0.3)
    killed = time.monotonic()
    holding.user_process().send_signal(signal.SIGKILL)
    cell.finish()
    figures(f"told after {time.monotonic() - killed:.2f} s")
    lost(holding, cell, "killed", "memory")


def test_a_process_that_is_killed_while_nothing_runs_is_told_by_the_next_cell(holding):
    process = holding.user_process()
    process.send_signal(signal.SIGKILL)
    # Dead, though the kernel has not looked yet.
    wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, "the end of the process", 5)
    cell = holding.run("gone + 1")
    lost(holding, cell, "killed")


def test_a_process_that_is_killed_while_its_next_cell_compiles(holding):
    cell = holding.begin(SLOW_TO_COMPILE)
    holding.until(lambda: compilers(holding) or cell.done, "a compiler")
    holding.user_process().send_signal(signal.SIGKILL)
    cell.finish(120)
    lost(holding, cell, "killed")


def test_a_process_that_is_killed_while_it_waits_for_input_does_not_wait_for_the_answer(holding, figures):
    cell = holding.begin('println!("EVCXR_INPUT_REQUEST:a number");\nlet mut answer = String::new();\n'
                         "std::io::stdin().read_line(&mut answer)?;", allow_stdin=True)
    holding.until(lambda: holding.asked or cell.done, "an input_request")
    assert holding.asked, f"expected an input_request: {cell}"
    killed = time.monotonic()
    holding.user_process().send_signal(signal.SIGKILL)
    cell.finish(ENDS_S)
    figures(f"told after {time.monotonic() - killed:.2f} s")
    lost(holding, cell, "killed")


def test_memory_that_cannot_be_had_is_a_crash_that_says_so(holding):
    cell = holding.run("let too_much = vec![1_u8; 1 << 46];\ntoo_much.len()")
    lost(holding, cell)
    assert "memory allocation of 70368744177664 bytes failed" in cell.stderr + cell.traceback, cell


def test_what_a_killed_process_had_printed_is_shown(holding):
    cell = holding.begin('print!("half a line");\nstd::io::Write::flush(&mut std::io::stdout())?;\n'
                         'eprintln!("warned"); std::thread::sleep(std::time::Duration::from_secs(60));')
    cell.printed("half a line")
    holding.user_process().send_signal(signal.SIGKILL)
    cell.finish()
    assert cell.stdout == "half a line" and cell.stderr == "warned\n", cell
    lost(holding, cell)


def test_a_restart_is_quicker_than_a_start_and_leaves_nothing_behind(cache, figures):
    with Kernel(env=surroundings(cache)) as kernel:
        kernel.well("let before = 1;", FIRST_CELL_S)
        first = time.monotonic() - kernel.launched
        assert kernel.well("before").count == 2
        family, folders = kernel.family(), sessions(cache)
        old = kernel.user_process()
        asked = time.monotonic()
        kernel.restart()
        cell = kernel.run("6 * 7", FIRST_CELL_S)
        again = time.monotonic() - asked
        figures(f"first cell {first:.2f} s after the start, {again:.2f} s after a restart")
        assert cell.result == "42" and cell.count == 1, f"expected [1] after a restart: {cell}"
        assert again < first, f"expected a restart ({again:.2f} s) to take less than a start ({first:.2f} s)"
        assert_failed(kernel.run("before"), "CompileError", "before")
        assert gone([old], 2) == [], "expected the old variables' process to have ended"
        family_now = {process.pid for process in kernel.family()}
        strays = [process for process in family if process.pid not in family_now]
        assert gone(strays) == [], "expected every process of before to be of the kernel or to have ended"
        assert len(sessions(cache)) == len(folders), f"expected one session: {folders}, then {sessions(cache)}"
        for round in range(2):
            kernel.restart()
            assert kernel.well(f"{round} + 1", FIRST_CELL_S).count == 1
        assert len(sessions(cache)) == len(folders), f"expected one session: {folders}, then {sessions(cache)}"
    assert sessions(cache) == [], "expected no session to stay"


def test_surroundings_that_are_not_text_do_no_harm(cache):
    with Kernel(env=surroundings(cache, ODD="\udcff", EVEN="text")) as kernel:
        assert kernel.well('std::env::var("EVEN")?', FIRST_CELL_S).result == '"text"'
        assert kernel.well('std::env::var_os("ODD").map(|odd| odd.len())').result == "Some(1)"


def test_a_restart_ends_a_cell_that_does_not_listen(kernel):
    cell = kernel.begin('println!("on");\nloop {}').printed("on")
    old = kernel.user_process()
    del cell
    kernel.restart()
    after = kernel.well("2 + 3", FIRST_CELL_S)
    assert after.result == "5" and after.count == 1, after
    assert gone([old], 2) == [], "expected the loop to have ended"


def keep_warm(cache, waiting):
    keeper = subprocess.Popen([PROGRAM, "warm"], env=surroundings(cache, ATOMOTION_WARM=str(waiting)),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = keeper.stdout.readline()
    assert line == "ready\n", f"expected a word when the kernel is ready: {line!r} {keeper.stderr.read()}"
    return keeper


def offspring(process):
    head = psutil.Process(process.pid)
    return [head, *head.children(recursive=True)]


@pytest.fixture
def keeper(cache):
    """A kernel that is kept warm, and the socket at which it waits."""
    waiting = cache / "warm"
    keeper = keep_warm(cache, waiting)
    keeper.socket = waiting
    yield keeper
    family = offspring(keeper) if keeper.poll() is None else []
    keeper.kill()
    keeper.communicate()
    assert gone(family) == [], "expected everything to end with the keeper"


def test_a_kernel_kept_warm_is_ready_at_once_in_the_notebooks_surroundings(cache, keeper, tmp_path, figures):
    folder = tmp_path / "größe und weite"
    folder.mkdir()
    (folder / "data.txt").write_text("found")
    variables = surroundings(cache, ATOMOTION_WARM=str(keeper.socket), TRIAL_OF_WARMTH="as set")
    launched = time.monotonic()
    with Kernel(env=variables, cwd=str(folder)) as kernel:
        assert kernel.well("1 + 1", FIRST_CELL_S).result == "2"
        took = time.monotonic() - launched
        figures(f"first result {took:.2f} s after the start")
        assert took < 4, f"expected the first result of a warm kernel within 4 s, seen {took:.2f} s"
        assert kernel.process().parent().pid == keeper.pid, "expected the kernel that was kept warm"
        assert kernel.well('std::fs::read_to_string("data.txt")?').result == '"found"'
        assert kernel.well("std::env::current_dir()? == std::path::Path::new(" + json.dumps(str(folder), ensure_ascii=False) + ")").result == "true"
        assert kernel.well('std::env::var("TRIAL_OF_WARMTH")?').result == '"as set"'
        # A crash starts a new process, which is to be in the same place.
        assert_failed(kernel.run("std::process::abort();"), "Crash")
        assert kernel.well('std::fs::read_to_string("data.txt")?').result == '"found"'
        assert kernel.well('std::env::var("TRIAL_OF_WARMTH")?').result == '"as set"'
        family = kernel.family()
        kernel.restart()
        assert kernel.well('std::fs::read_to_string("data.txt")?', FIRST_CELL_S).result == '"found"'
        assert kernel.well('std::env::var("TRIAL_OF_WARMTH")?').result == '"as set"'
    assert gone([process for process in family if process.pid != keeper.pid]) == [], "expected all of it to end"


def test_an_adopted_kernel_outlives_its_keeper(cache, keeper):
    with Kernel(env=surroundings(cache, ATOMOTION_WARM=str(keeper.socket))) as kernel:
        assert kernel.well("let kept = 2;\nkept", FIRST_CELL_S).result == "2"
        assert kernel.process().parent().pid == keeper.pid, "expected the kernel that was kept warm"
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
        time.sleep(1)
        assert kernel.well("kept + 1").result == "3"
        family = kernel.family()
    assert gone(family) == [], "expected all of it to end"
    wait_until(lambda: not sessions(cache), f"no session in {cache}", ENDS_S)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_with_its_keeper_a_warm_kernel_ends(cache, keeper, how):
    family = offspring(keeper)
    assert len(family) >= 3, f"expected a keeper, a kernel and a user's process: {family}"
    keeper.send_signal(how)
    assert gone(family[1:]) == [], "expected the kernel to end"
    wait_until(lambda: not sessions(cache), f"no session in {cache}", ENDS_S)


@patient
def test_after_one_kernel_is_taken_the_next_is_made_ready(cache, keeper, figures):
    variables = surroundings(cache, ATOMOTION_WARM=str(keeper.socket))
    with Kernel(env=variables) as first:
        first.well("let a = 1;", FIRST_CELL_S)
        taken = time.monotonic()
        assert keeper.stdout.readline() == "ready\n", "expected another to be made ready"
        figures(f"the next was ready {time.monotonic() - taken:.1f} s later")
        with Kernel(env=variables) as second:
            assert_failed(second.run("a", FIRST_CELL_S), "CompileError", "`a`")
            assert second.process() != first.process()
            assert first.well("a").result == "1"


@patient
def test_a_warm_kernel_that_dies_is_replaced(cache, keeper):
    family = offspring(keeper)
    serving = next(process for process in family if "serve" in process.cmdline())
    # One that ends too soon is taken for one that cannot start.
    wait_until(lambda: time.time() - serving.create_time() > 31, "a kernel that has waited for a while")
    serving.send_signal(signal.SIGKILL)
    assert keeper.stdout.readline() == "ready\n", "expected another to be made ready"
    assert gone(family[1:]) == [], "expected all of the first to end"


KILLED = [("launcher", "idle"), ("kernel", "busy"), ("both", "busy"),
          *(pytest.param(*case, marks=patient) for case in [("launcher", "busy"), ("kernel", "idle"), ("both", "idle")])]


@pytest.mark.parametrize("victim, state", KILLED)
def test_when_one_of_its_processes_is_killed_the_others_end(cache, victim, state):
    with Kernel(env=surroundings(cache)) as kernel:
        kernel.well("1", FIRST_CELL_S)
        if state == "busy":
            kernel.begin('println!("on");\nloop {}').printed("on")
        family, launcher, process = kernel.family(), psutil.Process(kernel.launcher), kernel.process()
        assert len(sessions(cache)) == 2, f"expected a folder and a lock: {sessions(cache)}"
        for each in {"launcher": [launcher], "kernel": [process], "both": [launcher, process]}[victim]:
            each.send_signal(signal.SIGKILL)
        # Jupyter waits for what it has started.
        kernel.manager.provisioner.process.wait(ENDS_S)
        assert gone(family) == [], f"expected everything to end within {ENDS_S} s"
    if victim == "both":
        sweep(cache)
    wait_until(lambda: not sessions(cache), f"no session in {cache}", ENDS_S)


def sweep(cache):
    """What nobody could remove goes with the next kernel's start."""
    left = sessions(cache)
    with Kernel(env=surroundings(cache)):
        assert not set(left) & set(sessions(cache)), f"expected {left} to be swept: {sessions(cache)}"


def test_four_kernels_at_once(figures):
    kernels = []
    try:
        started = time.monotonic()
        for _ in range(4):
            kernels.append(Kernel())
        cells = [kernel.begin(f"let mine = {n};\nmine * 10") for n, kernel in enumerate(kernels)]
        for n, cell in enumerate(cells):
            cell.finish(FIRST_CELL_S)
            assert cell.result == str(10 * n), cell
        figures(f"four kernels had run a cell each {time.monotonic() - started:.1f} s after the first start")
        sums = [kernel.begin(f'(0..{n} + 1000).map(|k| k * mine).sum::<i32>()') for n, kernel in enumerate(kernels)]
        for n, cell in enumerate(sums):
            assert cell.finish().result == str(n * sum(range(n + 1000))), cell
        assert len({kernel.user_process().pid for kernel in kernels}) == 4
        kernels[0].user_process().kill()
        assert_failed(kernels[0].run("mine"), "Crash", "`mine`")
        for n, kernel in enumerate(kernels[1:], 1):
            assert kernel.well("mine").result == str(n)
    finally:
        for kernel in kernels:
            kernel.close()


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.mark.parametrize("ip", ["0.0.0.0", "::"])
def test_a_connection_file_that_lets_others_in_is_refused_in_a_sentence(cache, tmp_path, ip):
    names = ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"]
    file = tmp_path / "kernel.json"
    file.write_text(json.dumps({"ip": ip, "transport": "tcp", "key": "k", "signature_scheme": "hmac-sha256",
                                "kernel_name": "", **dict(zip(names, free_ports(5), strict=True))}))
    run = subprocess.run([PROGRAM, "--control_file", file], env=surroundings(cache), capture_output=True, text=True,
                         timeout=CELL_S)
    assert run.returncode != 0, "expected it to refuse"
    assert ip in run.stderr and "127.0.0.1" in run.stderr and len(run.stderr.splitlines()) == 1, run.stderr
    wait_until(lambda: not sessions(cache), f"no session in {cache}", ENDS_S)


def test_a_connection_file_that_is_none_is_refused_in_a_sentence(cache, tmp_path):
    file = tmp_path / "kernel.json"
    for text in [None, "", "{}", "not json"]:
        if text is not None:
            file.write_text(text)
        run = subprocess.run([PROGRAM, "--control_file", file], env=surroundings(cache), capture_output=True, text=True,
                             timeout=CELL_S)
        assert run.returncode != 0, "expected it to refuse"
        assert str(file) in run.stderr and len(run.stderr.strip().splitlines()) == 1, run.stderr
    wait_until(lambda: not sessions(cache), f"no session in {cache}", ENDS_S)
