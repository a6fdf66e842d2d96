"""What a cell prints and shows: whole, in order, as it comes, whatever it is."""

import time

from helpers import FIRST_CELL_S, SHORT_TRAINING, on_terminal

SLEEP = "std::thread::sleep(std::time::Duration::from_millis({}));"
FLUSH = "std::io::Write::flush(&mut std::io::stdout())?;"


def at(cell, text):
    """When a text first arrived, in seconds before the cell's end."""
    end = cell.messages[-1]["at"]
    for message in cell.messages:
        if message["header"]["msg_type"] != "execute_input" and text in repr(message["content"]):
            return end - message["at"]
    raise AssertionError(f"expected {text!r} among the messages: {cell}")


def test_figures_arrive_in_order_as_they_are_made(kernel):
    cell = kernel.well(
        'println!("before");\n'
        'atomotion::show::emit_html("<b>first</b>", "first");\n'
        + SLEEP.format(1500) + '\nprintln!("between");\n'
        'atomotion::show::emit_html("<b>second</b>", "second");\n'
        + SLEEP.format(1500) + "\n"
        'df!("n" => [1, 2])?')
    kinds = [message["header"]["msg_type"] for message in cell.of("stream", "display_data", "execute_result")]
    assert kinds == ["stream", "display_data", "stream", "display_data", "execute_result"], f"{kinds}: {cell}"
    assert [data["text/plain"][:6] for data in cell.displays] == ["first", "second", "shape:"], cell.displays
    assert cell.displays[0]["text/html"] == "<b>first</b>", f"expected both forms in one bundle: {cell.displays[0]}"
    early = at(cell, "<b>first</b>"), at(cell, "<b>second</b>")
    assert early[0] > 2.5 and early[1] > 1, f"expected figures 3 and 1.5 s before the end, seen {early}"


def test_two_figures_of_the_library_in_one_cell_are_two_displays(kernel):
    cell = kernel.well("let shown = Ws2::default().with_size_px(64).simulate(1)?.movie;\n"
                       "shown.evcxr_display();\nshown.evcxr_display();\nshown")
    kinds = [message["header"]["msg_type"] for message in cell.of("display_data", "execute_result")]
    assert kinds == ["display_data", "display_data", "execute_result"], f"{kinds}: {cell}"
    assert all("text/html" in data or "image/svg+xml" in data for data in cell.displays), cell.displays


def test_a_display_with_an_identity_is_updated_in_place(kernel):
    # The form in which the library writes its bars.
    show = 'println!("EVCXR_BEGIN_CONTENT text/plain id=probe-1\\n{}\\nEVCXR_END_CONTENT");'
    cell = kernel.well("\n".join([show.format("one"), SLEEP.format(700), show.format("two"), SLEEP.format(700),
                                  show.format("three")]))
    messages = cell.of("display_data", "update_display_data")
    assert [message["header"]["msg_type"] for message in messages] == ["display_data"] + ["update_display_data"] * 2, cell
    assert len({message["content"]["transient"]["display_id"] for message in messages}) == 1, cell
    assert [message["content"]["data"]["text/plain"] for message in messages] == ["one", "two", "three"], cell
    assert not cell.stdout, f"expected nothing as text: {cell.stdout!r}"
    # A later cell updates it where it is.
    later = kernel.well(show.format("four"))
    assert [message["header"]["msg_type"] for message in later.of("display_data", "update_display_data")] == \
        ["update_display_data"], later
    first = messages[0]["content"]["transient"]["display_id"]
    assert later.of("update_display_data")[0]["content"]["transient"]["display_id"] == first


def test_a_bar_moves_in_place_while_the_library_works(kernel):
    kernel.well(SHORT_TRAINING)
    cell = kernel.well("Detector::train(&labels, &brief.clone().with_steps(150))?;", 120)
    bar = cell.of("display_data", "update_display_data")
    ids = {message["content"].get("transient", {}).get("display_id") for message in bar}
    assert len(bar) >= 3 and len(ids) == 1 and None not in ids, f"expected one bar, updated: {len(bar)} {ids} {cell}"
    readings = [message["content"]["data"].get("text/plain") for message in bar]
    assert len(set(readings)) >= 3, f"expected different readings: {readings}"
    spread = bar[-1]["at"] - bar[0]["at"]
    assert spread > 0.3, f"expected the bar to move over time, not at the end: {spread:.2f} s"
    assert not cell.stdout.strip(), f"expected nothing as text: {cell.stdout!r}"


def test_lines_arrive_while_the_cell_runs(kernel):
    cell = kernel.well('println!("early"); eprintln!("warned"); ' + SLEEP.format(1500) + 'println!("late");')
    assert cell.stdout == "early\nlate\n" and cell.stderr == "warned\n", cell
    assert at(cell, "early") > 1 and at(cell, "warned") > 1, f"expected both 1.5 s before the end: {cell}"


def test_text_without_a_newline_appears_promptly_and_is_not_changed(kernel):
    cell = kernel.well('print!("half"); ' + FLUSH + SLEEP.format(1500) + 'println!(" and half");')
    assert cell.stdout == "half and half\n", f"expected the line in one piece: {cell.stdout!r}"
    assert at(cell, "half") > 1, f"expected the first half 1.5 s before the end: {at(cell, 'half'):.2f} s"


def test_text_without_a_newline_at_the_end_is_shown(kernel):
    assert kernel.well('print!("no newline");').stdout == "no newline"
    cell = kernel.well('print!("beside "); 5')
    assert cell.stdout == "beside " and cell.result == "5", cell
    cell = kernel.well('print!("beside "); atomotion::show::emit_html("<b>x</b>", "x");')
    assert cell.stdout == "beside " and cell.displays[0]["text/html"] == "<b>x</b>", cell


def test_a_carriage_return_redraws_its_line(kernel):
    cell = kernel.well('for n in 1..4 { print!("\\r{n} of 3"); ' + FLUSH + SLEEP.format(200) + "} println!();")
    assert "\r" in cell.stdout and on_terminal(cell.stdout) == "3 of 3\n", f"expected it to redraw: {cell.stdout!r}"
    assert len(cell.of("stream")) >= 2, f"expected it to redraw as it goes: {cell}"


def test_a_flood_arrives_whole_or_says_what_is_left_out_and_stalls_nothing(kernel, figures):
    cell = kernel.run('for n in 0..1_000_000 { println!("{n}") }', 120)
    assert cell.status == "ok", f"expected ok: {cell}"
    figures(f"10^6 lines in {cell.took:.1f} s, {len(cell.of('stream'))} messages")
    whole = "".join(f"{n}\n" for n in range(1_000_000))
    if cell.stdout != whole:
        text = (cell.stdout + cell.stderr).lower()
        note = any(word in text for word in ("left out", "truncated", "more lines", "not shown", "omitted"))
        assert cell.stdout.startswith("0\n1\n2\n") and note, \
            f"expected all of it or a note: {len(cell.stdout)} characters, ending in {cell.stdout[-200:]!r}"
    asked = time.monotonic()
    assert kernel.well("1 + 1").result == "2"
    assert time.monotonic() - asked < 10, "expected the next cell not to wait for the flood"


def test_a_very_long_line_arrives_whole(kernel):
    cell = kernel.well('println!("{}|", "x".repeat(1_000_000));', 120)
    assert cell.stdout == "x" * 1_000_000 + "|\n", f"expected 1,000,002 characters, seen {len(cell.stdout)}"


def test_a_line_that_no_browser_can_show_is_cut_and_says_so(kernel):
    cell = kernel.well('println!("{}|", "x".repeat(5_000_000));', 120)
    assert len(cell.stdout) < 1_200_000 and "characters left out" in cell.stdout, f"{len(cell.stdout)}"
    assert cell.stdout.endswith("xxx|\n"), f"expected its end: {cell.stdout[-40:]!r}"


def test_bytes_that_are_not_text_do_no_harm(kernel):
    cell = kernel.well('std::io::Write::write_all(&mut std::io::stdout(), b"\\xff\\xfe bad \\x80 bytes\\nzero\\0byte\\n")?;\n'
                       'eprintln!("zero\\0err"); println!("größer ≥ 🦀");')
    for expected in (" bad ", "bytes\n", "zero", "byte\n", "größer ≥ 🦀\n"):
        assert expected in cell.stdout, f"expected {expected!r}: {cell.stdout!r}"
    assert "zero" in cell.stderr and "err" in cell.stderr, cell.stderr


def test_a_character_cut_in_two_by_a_flush_arrives_whole(kernel):
    write = 'std::io::Write::write_all(&mut std::io::stdout(), b"{}")?;'
    cell = kernel.well(write.format("a\\xf0\\x9f") + FLUSH + SLEEP.format(300) + write.format("\\xa6\\x80b\\n"))
    assert cell.stdout == "a🦀b\n", f"expected the crab: {cell.stdout!r}"


def test_what_child_processes_print_is_shown(kernel):
    cell = kernel.well('std::process::Command::new("sh").args(["-c", "echo from a child; echo its error >&2"]).status()?;')
    assert cell.stdout == "from a child\n" and cell.stderr == "its error\n", cell


def test_a_thread_that_prints_on_disturbs_no_later_cell(kernel):
    first = kernel.well("std::thread::spawn(|| for n in 0..20 { println!(\"tick {n}\"); " + SLEEP.format(100) + " });")
    second = kernel.well("1 + 1")
    assert second.result == "2", f"expected the next cell's own value: {second}"
    text = lambda: "".join(m["content"]["text"] for m in kernel.log if m["header"]["msg_type"] == "stream")
    kernel.until(lambda: "tick 19\n" in text(), "the thread's last line")
    assert text() == "".join(f"tick {n}\n" for n in range(20)), f"expected 20 lines in order: {text()!r}"
    parents = {m["parent_header"]["msg_id"] for m in kernel.log if m["header"]["msg_type"] == "stream"}
    assert parents <= {first.identity, second.identity}, "expected its lines in cells, not elsewhere"


def test_a_thread_in_the_middle_of_a_line_does_not_break_the_next_result(kernel):
    kernel.well('std::thread::spawn(|| for _ in 0..400 { print!("…"); let _ = std::io::Write::flush(&mut std::io::stdout()); '
                + SLEEP.format(5) + " });")
    for n in range(4):
        cell = kernel.well(f"df!(\"n\" => [{n}])?")
        assert len(cell.displays) == 1 and "text/html" in cell.displays[0], f"expected one table: {cell}"
    text = lambda: "".join(m["content"]["text"] for m in kernel.log if m["header"]["msg_type"] == "stream")
    kernel.until(lambda: text().count("…") == 400, "the thread's last sign, which would else be in the next test's cell")


def test_output_of_many_threads_keeps_lines_whole(kernel):
    cell = kernel.well('let hands: Vec<_> = (0..4).map(|t| std::thread::spawn(move || for n in 0..500 { '
                       'println!("{t}:{n}:") })).collect();\nfor hand in hands { hand.join().unwrap(); }', 60)
    lines = cell.stdout.splitlines()
    assert sorted(lines) == sorted(f"{t}:{n}:" for t in range(4) for n in range(500)), \
        f"expected 2000 whole lines, seen {len(lines)}, such as {lines[:3]}"


def test_values_show_in_every_form(kernel):
    assert kernel.well("1.5_f64").result == "1.5"
    assert kernel.well("let quiet = 1;").displays == []
    assert "text/html" in kernel.well('df!("n" => [1, 2])?').displays[0]
    assert kernel.well("Some(vec![1, 2])").result == "Some([1, 2])"
    assert kernel.well("()").displays == [], "expected () to show nothing"
    assert "Tensor" in kernel.well("Tensor::zeros([2, 3], (Kind::Float, Device::Cpu))").result


def test_a_second_kernel_beside_it_has_its_own_variables_and_output(kernel, fresh):
    kernel.well("let only_here = 1;")
    other = fresh.run('println!("other"); only_here', FIRST_CELL_S)
    assert other.status == "error" and "only_here" in other.traceback, f"expected not to know it: {other}"
    assert "other" not in repr([m["content"] for m in kernel.log if m["channel"] == "iopub"])
