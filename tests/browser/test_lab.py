"""The kernel in JupyterLab, as its user sees it. Every step leaves a screenshot."""

import io
import os
import re
import time

import pexpect
import psutil
from helpers import CELL_S, FIRST_CELL_S, NAME, PYTHON, SHORT_TRAINING, assert_gone, environment, plain, wait_until
from lab import DISPLAY_NAME, SCREENSHOTS
from playwright.sync_api import TimeoutError

TRAIN = "let detector = Detector::train(&labels, &brief.clone().with_steps({}))?;"
STEPS = re.compile(r"(\d+) of (\d+) (?:training )?steps")
AIM_S, STOP_S = 1, 3
"""Within these the stop button is to stop the library: on a machine of its own, and on one that has much else to do."""


def steps(text):
    """Steps taken, and steps in all, as the page says them."""
    found = STEPS.search(text)
    assert found, f"expected steps to be counted: {text!r}"
    return int(found[1]), int(found[2])


def bar(notebook, at, value=0):
    """The bar of a cell, as soon as it is there and shows at least this value."""
    def reading():
        seen = notebook.reading(at)
        assert seen or not notebook.prompt(at).isdigit(), f"expected a bar before the end: {notebook.text(at)}"
        return seen if seen and seen["value"] >= value else None
    return wait_until(reading, f"a bar that shows {value} % or more", FIRST_CELL_S)


def test_two_figures_of_a_cell_appear_in_order_as_they_are_made(opened):
    notebook = opened([SHORT_TRAINING, "movie.frame(0)?.evcxr_display();\n"
                       "std::thread::sleep(std::time::Duration::from_secs(4));\nlabels.evcxr_display();"])
    assert notebook.page.locator(".jp-Toolbar-kernelName").first.inner_text() == DISPLAY_NAME
    notebook.run(0)
    notebook.start(1)
    pictures = notebook.cell(1).locator("img")
    pictures.first.wait_for()
    assert notebook.prompt(1) == "*" and pictures.count() == 1, "expected the first figure before the cell's end"
    notebook.shot("1-first-of-two-figures")
    notebook.finish(1)
    seen = pictures.evaluate_all("all => all.map(i => [i.alt, i.naturalWidth, i.y, i.y + i.height])")
    assert len(seen) == 2 and "grey levels" in seen[0][0] and "labels" in seen[1][0], f"expected both, in order: {seen}"
    assert all(width > 0 for _, width, *_ in seen) and seen[1][2] >= seen[0][3], f"expected one below the other: {seen}"
    notebook.shot("1-two-figures")


def test_a_bar_moves_in_place_and_the_loss_curve_grows(opened):
    notebook = opened([SHORT_TRAINING, TRAIN.format(100), "detector"])
    notebook.run(0)
    notebook.start(1)
    readings, shown = [bar(notebook, 1)], False
    while (seen := notebook.reading(1)) and not notebook.prompt(1).isdigit():
        if seen != readings[-1]:
            readings.append(seen)
        if seen["points"] > 30 and not shown:
            notebook.shot("2-bar")
            shown = True
        time.sleep(0.05)
    notebook.finish(1)
    for key in ("value", "width", "points"):
        values = [reading[key] for reading in readings]
        assert len(set(values)) >= 3 and values == sorted(values), f"expected {key} to grow step by step: {values}"
    assert {reading["areas"] for reading in readings} == {1}, f"expected one output, updated in place: {readings}"
    assert all(word in readings[-1]["text"] for word in ("steps/s", "left", "loss")), readings[-1]["text"]
    assert notebook.outputs(1).count() == 1 and "100 steps in" in notebook.text(1), notebook.text(1)
    cut = notebook.cell(1).locator("svg[role=img]").evaluate("""svg => [...svg.querySelectorAll('text')].filter(text => {
        const [inner, outer] = [text.getBoundingClientRect(), svg.getBoundingClientRect()];
        return inner.left < outer.left || inner.right > outer.right || inner.bottom > outer.bottom;
    }).map(text => text.textContent)""")
    assert not cut, f"expected every label to be whole: {cut}"
    notebook.run(2)
    notebook.shot("2-bar-at-the-end")


def test_an_interrupted_training_goes_on_from_the_file_that_it_names(opened, figures):
    notebook = opened([SHORT_TRAINING, TRAIN.format(120), "", "detector.losses().len()"])
    notebook.run(0)
    notebook.start(1)
    bar(notebook, 1, value=10)
    took = notebook.stop(1)
    figures(f"Detector::train stopped {took:.2f} s after the button was pressed; the aim is {AIM_S} s")
    assert took < STOP_S, f"expected the cell to end within {STOP_S} s, seen after {took:.1f} s"
    message = notebook.error(1).inner_text()
    assert message.startswith("Interrupted: "), f"expected an error of that name: {message}"
    assert "Interrupted: interrupted" not in message, f"expected it to be said once: {message}"
    done, total = steps(message)
    assert 12 <= done < total == 120, f"expected to read how far it was: {message}"
    assert f"stopped at {done} of 120 steps" in notebook.text(1), f"expected the bar to say so too: {notebook.text(1)}"
    notebook.shot("3a-interrupted")
    call = re.search(r'Detector::resume\("([^"]+)"\)\?', message)
    assert call and os.path.exists(call[1]), f"expected a file that is there: {message}"
    notebook.type(2, f"let detector = {call[0]};")
    notebook.start(2)
    first = bar(notebook, 2)
    assert steps(first["text"])[0] >= done, f"expected it to go on from step {done}: {first}"
    notebook.finish(2)
    notebook.run(3)
    assert notebook.text(3).strip() == "120", f"expected every step: {notebook.text(3)}"
    notebook.shot("3a-resumed")


def test_an_interrupted_trainer_keeps_its_steps_and_goes_on(opened, figures):
    notebook = opened([SHORT_TRAINING + "let earlier = vec![1, 2, 3];",
                       "let mut trainer = Detector::trainer(&labels, &Training::default())?;", "trainer.run()?;",
                       "trainer.detector()?", "earlier.len() + labels.frame.data.nrows()",
                       "trainer.run()?;", "trainer.steps()"])
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    bar(notebook, 2, value=2)
    took = notebook.stop(2)
    figures(f"trainer.run() stopped {took:.2f} s after the button was pressed; the aim is {AIM_S} s")
    assert took < STOP_S, f"expected the cell to end within {STOP_S} s, seen after {took:.1f} s"
    message = notebook.error(2).inner_text()
    assert message.startswith("Interrupted: "), f"expected an error of that name: {message}"
    assert "Interrupted: interrupted" not in message, f"expected it to be said once: {message}"
    assert "trainer.run()?" in message and "trainer.detector()?" in message, f"expected what to do next: {message}"
    done, total = steps(message)
    assert 0 < done < total == 800, f"expected to read how far it was: {message}"
    notebook.shot("3b-interrupted")
    notebook.run(3)
    assert f"in {done} of 800 steps" in notebook.text(3), f"expected a detector of {done} steps: {notebook.text(3)}"
    notebook.run(4)
    assert notebook.text(4).strip() == "131", f"expected the variables of earlier cells: {notebook.text(4)}"
    notebook.start(5)
    first = bar(notebook, 5)
    assert steps(first["text"])[0] >= done, f"expected it to go on from step {done}: {first}"
    bar(notebook, 5, value=first["value"] + 1)
    notebook.stop(5)
    notebook.run(6)
    assert int(notebook.text(6)) > done, f"expected more than {done} steps: {notebook.text(6)}"
    notebook.shot("3b-went-on")


def test_run_all_stops_at_an_error_which_is_marked_as_one(opened):
    notebook = opened(["let a = 1;\na", 'let b: i32 = "x".parse()?;\nb', 'println!("after the error");', "a + 1"])
    notebook.menu("Run", "Run All Cells")
    wait_until(lambda: notebook.prompt(1), "the second cell to be sent")
    failed = notebook.finish(1)
    notebook.idle()
    wait_until(lambda: "*" not in [notebook.prompt(at) for at in range(4)], "no cell to wait any more")
    prompts = [notebook.prompt(at) for at in range(4)]
    assert prompts == [str(failed - 1), str(failed), "", ""], f"expected it to stop there: {prompts}"
    assert notebook.outputs(2).count() == notebook.outputs(3).count() == 0, "expected nothing of the cells after it"
    red, green, blue = paper(notebook.error(1))
    assert red > green and red > blue, f"expected a red background, seen {red, green, blue}"
    assert notebook.error(1).inner_text().startswith("Error: invalid digit found in string"), notebook.text(1)
    notebook.shot("4-run-all-stops")


def paper(element):
    colour = element.evaluate("e => getComputedStyle(e).backgroundColor")
    return [float(number) for number in re.findall(r"[\d.]+", colour)][:3]


def test_panics_and_compile_errors_are_coloured_and_point_at_the_line(opened):
    panic, wrong = "let list = vec![1, 2];\nlet at = list.len() + 1;\nlist[at]", "let half = 0.5;\nhalf + wrong"
    notebook = opened([panic, wrong])
    for at, words, line in [(0, "index out of bounds", "list[at]"), (1, "cannot find value `wrong`", "half + wrong")]:
        number = notebook.fail(at)
        text, lines = notebook.error(at).inner_text(), notebook.error(at).inner_text().splitlines()
        place = 1 + [panic, wrong][at].splitlines().index(line)
        assert words in lines[0], f"expected to read what is wrong first: {text}"
        assert f"cell [{number}], line {place}" in text, f"expected the place, cell [{number}], line {place}: {text}"
        assert any(shown == f"{place} | {line}" for shown in lines), f"expected the line itself: {text}"
        red = notebook.error(at).locator('[class*="ansi-red"]').all_inner_texts()
        assert red and red[0] in lines[0], f"expected what is wrong in red: {red}"
    source = next(at for at, shown in enumerate(lines) if shown.endswith("half + wrong"))
    assert lines[source + 1].index("^^^^^") == lines[source].index("wrong"), f"expected marks under `wrong`: {text}"
    assert any(shown.strip().startswith("^^^^^") for shown in red), f"expected the marks in red: {red}"
    notebook.shot("5-panic-and-compile-error")


WIDE = """
let columns: Vec<_> = (0..24).map(|at| polars::prelude::Column::new(
    format!("a_rather_long_name_{at}").into(),
    (0..40).map(|row| f64::from(row * at) / 7.0).collect::<Vec<_>>())).collect();
DataFrame::new_infer_height(columns)?
"""


def test_wide_tables_scroll_figures_are_sharp_and_a_dark_theme_is_readable(opened, server, figures):
    notebook = opened([SHORT_TRAINING, WIDE, "movie.frame(0)?", TRAIN.format(400), "let a = wrong;"], scale=2)
    notebook.run(0)
    notebook.run(1)
    wide = notebook.cell(1).evaluate("""cell => {
        const page = document.documentElement, panel = cell.closest('.jp-WindowedPanel-outer');
        const boxes = [...cell.querySelectorAll('.jp-OutputArea-output, .jp-OutputArea-output div')];
        const box = boxes.find(box => box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX == 'auto');
        return {page: page.scrollWidth - page.clientWidth, panel: panel.scrollWidth - panel.clientWidth,
                hidden: box && box.scrollWidth - box.clientWidth,
                beyond: box && box.getBoundingClientRect().right - panel.getBoundingClientRect().right};
    }""")
    assert wide["page"] <= 0 and wide["panel"] <= 0, f"expected the page to keep its width: {wide}"
    assert wide["hidden"] and wide["hidden"] > 100 and wide["beyond"] <= 0, f"expected a table that scrolls: {wide}"
    last = notebook.cell(1).locator("th").last
    notebook.cell(1).locator("td").first.hover()
    hidden = last.bounding_box()["x"]
    notebook.page.mouse.wheel(300, 0)
    wait_until(lambda: last.bounding_box()["x"] < hidden - 100, "the table to be scrolled by the wheel")
    left = notebook.cell(1).get_by_text("40 rows × 24 columns").evaluate("e => e.getBoundingClientRect().left")
    assert left >= notebook.outputs(1).bounding_box()["x"], "expected the size of the table to stay in sight"
    notebook.shot("6-wide-table")

    notebook.run(2)
    sharp = notebook.cell(2).locator("img").evaluate("i => [i.naturalWidth / i.width, devicePixelRatio]")
    assert sharp[1] == 2 and sharp[0] >= 2, f"expected 2 image pixels to a pixel of the page, seen {sharp[0]}"
    notebook.cell(2).locator("img").scroll_into_view_if_needed()
    notebook.shot("6-sharp-figure")
    readable(notebook, 1, "table, light", figures)
    try:
        notebook.menu("Settings", "Theme", "JupyterLab Dark")
        notebook.page.locator('body[data-jp-theme-light="false"]').wait_for(state="attached")
        readable(notebook, 1, "table, dark", figures)
        notebook.start(3)
        wait_until(lambda: bar(notebook, 3)["points"] > 10, "a loss curve")
        readable(notebook, 3, "bar and loss curve, dark", figures)
        notebook.shot("6-dark-bar")
        notebook.stop(3)
        readable(notebook, 3, "bar that was stopped, dark", figures)
        notebook.fail(4)
        notebook.shot("6-dark-errors")
        notebook.cell(1).scroll_into_view_if_needed()
        notebook.shot("6-dark-table-and-figure")
    finally:
        server.forget_settings()


def readable(notebook, at, what, figures):
    contrasts = notebook.contrasts(at)
    figures(f"lowest contrast, {what}: {contrasts[0][0]:.1f} ({contrasts[0][1]!r})")
    assert contrasts[0][0] >= 4.5, f"expected a contrast of 4.5 or more, {what}: {contrasts[:5]}"


def ask(notebook, at, key, answer):
    """Presses a key at the end of a cell until the answer shows, as its user does: JupyterLab drops completions that
    take longer than a second. Returns how long the answer took."""
    notebook.edit(at)
    notebook.page.keyboard.press("Control+End")

    def answered():
        asked = time.monotonic()
        notebook.page.keyboard.press(key)
        try:
            answer.wait_for(timeout=3000)
            return time.monotonic() - asked
        except TimeoutError:
            return None
    return wait_until(answered, f"an answer to {key}")


def test_tab_completes_and_shift_tab_explains(opened, figures):
    notebook = opened([SHORT_TRAINING, "movie.fr", "movie.frame"])
    notebook.run(0)
    offered = notebook.page.locator(".jp-Completer-item code.jp-Completer-match")
    took = ask(notebook, 1, "Tab", offered.first)
    names = [re.match(r"\w+", text)[0] for text in offered.all_inner_texts()]
    assert {"frame", "frames"} <= set(names), f"expected frame and frames: {names}"
    notebook.shot("7-completion")
    notebook.page.keyboard.press("Escape")
    figures(f"completions after {took:.2f} s, then after {ask(notebook, 1, 'Tab', offered.first):.2f} s")
    notebook.page.keyboard.press("Enter")
    text = notebook.cell(1).locator(".cm-content").inner_text()
    assert text.startswith("movie.frame"), f"expected the name to be completed: {text!r}"

    tooltip = notebook.page.locator(".jp-Tooltip")
    figures(f"documentation after {ask(notebook, 2, 'Shift+Tab', tooltip):.2f} s")
    text = tooltip.inner_text()
    assert "Reads one frame, counted from 0." in text and "index: usize" in text, f"expected its documentation: {text}"
    notebook.shot("7-documentation")


def test_notebook_7_opens_it_and_runs_a_cell(opened):
    notebook = opened(["let seven = Ws2::default().with_size_px(64).simulate(1)?.movie;\nseven", "1 + 1"],
                      address="notebooks")
    assert notebook.page.locator(".jp-Toolbar-kernelName").first.inner_text() == DISPLAY_NAME
    notebook.run(0)
    notebook.cell(0).locator("img").wait_for()
    notebook.run(1)
    assert notebook.text(1).strip() == "2", notebook.text(1)
    notebook.shot("8-notebook-7")


def test_the_console_runs_an_expression():
    console = pexpect.spawn(PYTHON, ["-m", "jupyter_console", "--kernel", NAME], encoding="utf-8",
                            env=environment() | {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"},
                            timeout=FIRST_CELL_S, dimensions=(30, 100))
    console.logfile_read = seen = io.StringIO()
    try:
        console.expect(r"In \[")
        family = psutil.Process(console.pid).children(recursive=True)
        console.send("1 + 1\r")
        console.expect(r"Out\[")
        console.expect(r"In \[")
        assert re.search(r"Out\[1\]:\s*2\s", plain(seen.getvalue())), f"expected Out[1]: 2: {plain(seen.getvalue())}"
        console.sendeof()
        console.expect("really want to exit")
        console.send("y\r")
        console.expect(pexpect.EOF, timeout=CELL_S)
    finally:
        console.close(force=True)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / "8-console.txt").write_text(plain(seen.getvalue()), encoding="utf-8")
    assert_gone(family, "the console was left")
