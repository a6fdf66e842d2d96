"""Jupyter's protocol: what each request is answered, and what must not be published."""

import json
import subprocess
import time

import nbformat
import psutil
import zmq
from helpers import CELL_S, FIRST_CELL_S, PYTHON, Client, Kernel, assert_failed, environment
from jupyter_client.session import Session


def test_kernel_info_is_answered_at_once_and_the_first_cell_is_number_1(figures):
    with Kernel() as kernel:
        answered = kernel.info.messages[-1]["at"] - kernel.launched
        info = kernel.info.content
        # Sent while the library is still being loaded: it waits and runs.
        cell = kernel.well("6 * 7", FIRST_CELL_S)
        figures(f"kernel_info after {answered:.2f} s, first cell after {cell.messages[-1]['at'] - kernel.launched:.2f} s")
        assert answered < 2, f"expected kernel_info within 2 s of the start, seen after {answered:.1f} s"
        assert info["implementation"] == "atomotion", info
        assert info["language_info"]["name"] == "rust" and info["language_info"]["file_extension"] == ".rs", info
        assert info["protocol_version"].startswith("5."), info
        assert cell.count == 1 and cell.result == "42", f"expected [1] and 42: {cell}"


def test_a_cell_is_framed_by_busy_and_idle_and_its_number_is_in_every_message(kernel):
    cell = kernel.well('println!("a"); 5')
    kinds = [message["header"]["msg_type"] for message in cell.messages]
    assert kinds == ["status", "execute_input", "stream", "execute_result", "status"], f"{kinds}: {cell}"
    assert [message["content"]["execution_state"] for message in cell.of("status")] == ["busy", "idle"]
    numbers = [message["content"]["execution_count"] for message in cell.of("execute_input", "execute_result")]
    assert numbers == [cell.count] * 2, f"expected {cell.count} twice: {numbers}"
    assert cell.of("execute_input")[0]["content"]["code"] == cell.code


def test_silent_cells_publish_and_count_nothing(kernel):
    before = kernel.well("1").count
    silent = kernel.run("let quiet = 3; quiet", silent=True)
    assert silent.status == "ok", f"expected ok: {silent}"
    assert not silent.of("execute_input", "execute_result"), f"expected no input and no result: {silent}"
    unstored = kernel.well("quiet", store_history=False)
    assert unstored.result == "3", f"expected what a silent cell has defined: {unstored}"
    after = kernel.well("1").count
    assert after == before + 1, f"expected neither to count: [{before}], then [{after}]"


def test_an_empty_cell_is_fine_and_counts_nothing_up_by_two(kernel):
    before = kernel.well("1").count
    for nothing in ["", "  \n ", "// only a comment"]:
        cell = kernel.run(nothing)
        assert cell.status == "ok" and not cell.error, f"expected ok: {cell}"
    assert kernel.well("1").count <= before + 4


def test_user_expressions_comms_history_and_heartbeat_are_answered(kernel):
    cell = kernel.well("1 + 1", user_expressions={})
    assert cell.content["user_expressions"] == {}, f"expected {{}}: {cell}"
    comms = kernel.request("comm_info_request", {"target_name": "jupyter.widget"})
    assert comms.status == "ok" and comms.content["comms"] == {}, comms
    history = kernel.request("history_request", {"hist_access_type": "tail", "n": 5, "output": False, "raw": True})
    assert history.content["status"] == "ok" and history.content["history"] == [], history

    heart = zmq.Context.instance().socket(zmq.REQ)
    heart.linger = 0
    try:
        heart.connect(f"tcp://{kernel.manager.ip}:{kernel.manager.hb_port}")
        heart.send(b"ping")
        assert heart.poll(5000), "expected the heartbeat back within 5 s"
        assert heart.recv() == b"ping"
    finally:
        heart.close()


def test_completion_and_inspection_know_the_users_variables(kernel):
    kernel.well("let magnetite = 4.5_f64;")
    code = "let x = 1;\nmagne"
    found = kernel.request("complete_request", {"code": code, "cursor_pos": len(code)})
    assert "magnetite" in found.content["matches"], f"expected magnetite: {found.content}"
    start, end = found.content["cursor_start"], found.content["cursor_end"]
    assert code[start:end] == "magne", f"expected to replace 'magne', not {code[start:end]!r}"
    # Positions count characters, not bytes.
    code = "/* größer */ magne"
    found = kernel.request("complete_request", {"code": code, "cursor_pos": len(code)})
    start, end = found.content["cursor_start"], found.content["cursor_end"]
    assert code[start:end] == "magne", f"expected to replace 'magne', not {code[start:end]!r}"
    seen = kernel.request("inspect_request", {"code": "magnetite", "cursor_pos": 4, "detail_level": 0})
    assert seen.status == "ok", seen
    assert seen.content["found"] and "f64" in seen.content["data"]["text/plain"], f"expected its type: {seen.content}"


def test_completion_is_answered_while_a_cell_runs(kernel):
    kernel.well("let chalcogen = 1;")
    cell = kernel.begin('println!("on"); std::thread::sleep(std::time::Duration::from_secs(4));').printed("on")
    code = "chalco"
    asked = time.monotonic()
    found = kernel.request("complete_request", {"code": code, "cursor_pos": len(code)})
    took = time.monotonic() - asked
    assert found.status == "ok", found
    cell.finish()
    assert cell.status == "ok" and took < 10, f"expected an answer, which took {took:.1f} s: {cell}"


def test_an_error_aborts_the_cells_that_wait_unless_told_not_to(kernel):
    failing = 'std::thread::sleep(std::time::Duration::from_millis(300)); Err::<(), &str>("first")?;'
    cells = [kernel.begin(failing), kernel.begin("let aborted = 1;"), kernel.begin("2")]
    for cell in cells:
        kernel.until(lambda: cell.reply and cell.idle, "a reply to every queued cell")
    assert [cell.status for cell in cells] == ["error", "aborted", "aborted"], cells
    assert not cells[2].of("execute_result", "execute_input"), f"expected an aborted cell to publish nothing: {cells[2]}"
    later = kernel.well("3")
    assert later.count == cells[0].count + 1, f"expected aborted cells not to count: {later}"

    cells = [kernel.begin(failing, stop_on_error=False), kernel.begin("let kept = 4; kept")]
    for cell in cells:
        cell.finish()
    assert [cell.status for cell in cells] == ["error", "ok"], cells


INPUT = """
println!("EVCXR_INPUT_REQUEST:your name");
let mut answer = String::new();
std::io::stdin().read_line(&mut answer)?;
println!("hello {}", answer.trim());
"""


def test_a_cell_can_ask_the_user(kernel):
    cell = kernel.begin(INPUT, allow_stdin=True)
    kernel.until(lambda: kernel.asked or cell.done, "an input_request")
    assert kernel.asked, f"expected an input_request: {cell}"
    question = kernel.asked[0]
    assert question["content"] == {"prompt": "your name", "password": False}, question["content"]
    assert question["parent_header"]["msg_id"] == cell.identity, "expected the cell to be its parent"
    kernel.client.input("Ada")
    cell.finish()
    assert cell.status == "ok" and "hello Ada" in cell.stdout, f"expected the answer to arrive: {cell}"
    assert "EVCXR" not in cell.stdout, f"expected the request itself not to be shown: {cell}"


def test_a_question_that_nobody_can_answer_does_not_hang(kernel):
    cell = kernel.run(INPUT, allow_stdin=False)
    assert not kernel.asked, "expected no input_request where the front end has no input"
    assert kernel.well("1 + 1").result == "2", f"the next cell after {cell}"


def test_a_message_with_a_wrong_signature_is_ignored(kernel):
    stranger = Session(key=b"not the key", username="stranger")
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    try:
        socket.connect(f"tcp://{kernel.manager.ip}:{kernel.manager.shell_port}")
        stranger.send(socket, "execute_request", {"code": 'println!("forged");', "silent": False})
        stranger.send(socket, "kernel_info_request", {})
        socket.send_multipart([b"no", b"message", b"at", b"all"])
        assert not socket.poll(1500), "expected no answer to a message with a wrong signature"
    finally:
        socket.close()
    assert kernel.well("1 + 1").result == "2"
    assert "forged" not in repr(kernel.log), "expected forged code not to run"


def test_malformed_and_unknown_requests_do_no_harm(kernel):
    for kind, content in [("no_such_request", {}), ("execute_request", {}), ("complete_request", {"code": "a"}),
                          ("is_complete_request", {}), ("comm_open", {"comm_id": "c1", "target_name": "none", "data": {}}),
                          ("comm_msg", {"comm_id": "c1", "data": {}}), ("comm_close", {"comm_id": "c1", "data": {}}),
                          ("complete_request", {"code": "größe", "cursor_pos": 999})]:
        kernel.send(kind, content)
    kernel.send("no_such_request", {}, "control")
    assert kernel.well("1 + 1").result == "2"


def test_it_listens_on_this_machine_only(kernel):
    listening = [connection.laddr for process in kernel.family()
                 for connection in process.net_connections("inet") if connection.status == psutil.CONN_LISTEN]
    assert len(listening) >= 5, f"expected Jupyter's five sockets, seen {listening}"
    outside = [address for address in listening if address.ip not in ("127.0.0.1", "::1")]
    assert not outside, f"expected to listen on loopback only, seen {outside}"


def test_two_front_ends_share_a_kernel(kernel):
    console = Client(kernel.manager)
    try:
        kernel.well("let shared_by_two = 20;")
        cells = [kernel.begin("shared_by_two + 1"), console.begin("shared_by_two + 2")]
        for cell in cells:
            cell.finish()
        assert [cell.result for cell in cells] == ["21", "22"], cells
        # What one does the other sees, and replies go to whoever asked.
        console.until(lambda: console.published[cells[0].identity], "the other front end's messages")
        assert cells[0].identity not in console.replies and cells[1].identity not in kernel.replies
    finally:
        console.disconnect()


def test_nbconvert_stops_at_an_error_and_fails(tmp_path):
    cells = ["let a = 1;", "a + 1", 'let number: i32 = "x".parse()?;', 'println!("after the error");']
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "atomotion", "display_name": "Rust", "language": "rust"}
    path = tmp_path / "stops.ipynb"
    nbformat.write(notebook, path)
    command = [PYTHON, "-m", "nbconvert", "--to", "notebook", "--execute", str(path), "--output", "out"]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=FIRST_CELL_S)
    assert run.returncode != 0, f"expected nbconvert to fail:\n{run.stdout}{run.stderr}"
    assert "invalid digit found in string" in run.stderr, f"expected the error to be told:\n{run.stderr}"
    command.insert(-2, "--allow-errors")
    run = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=FIRST_CELL_S)
    assert run.returncode == 0, run.stderr
    outputs = [cell["outputs"] for cell in json.loads((tmp_path / "out.ipynb").read_text())["cells"]]
    assert outputs[2][0]["output_type"] == "error" and outputs[2][0]["ename"] == "Error", outputs[2]
    assert "after the error" in repr(outputs[3]), "expected --allow-errors to go on"


def test_shutdown_is_answered_and_everything_ends():
    with Kernel() as kernel:
        kernel.well("1", FIRST_CELL_S)
        family = kernel.family()
        reply = kernel.request("shutdown_request", {"restart": False}, "control", CELL_S)
        assert reply.content == {"status": "ok", "restart": False}, reply.content
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, f"expected every process to end within 10 s, still there: {alive}"


def test_a_failing_cell_is_an_error_of_the_protocol(kernel):
    cell = kernel.run('Err::<(), &str>("as Jupyter wants it")?;')
    assert_failed(cell, "Error", "as Jupyter wants it", line=1)
    assert [message["header"]["msg_type"] for message in cell.messages].count("error") == 1, cell
