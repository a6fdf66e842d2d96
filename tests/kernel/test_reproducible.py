"""A notebook that is run twice has the same outputs, but for times."""

import difflib
import json
import re

import nbformat
from helpers import CELL_S, FIRST_CELL_S, INTERNAL, NAME
from nbclient import NotebookClient

CELLS = [
    "let simulated = Ws2::default().with_size_px(128).with_frames(3).with_vacancy_fraction(0.05).simulate(7)?;\n"
    "let movie = simulated.movie.clone();\nmovie",
    "simulated.truth.head(Some(5))",
    "let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;\nlabels",
    "let detector = Detector::train(&labels, &Training::default().with_batch(2).with_steps(120))?;\ndetector",
    "let defects = detector.find(&movie)?;\ndefects",
    "println!(\"{:?}\", detector.losses());",
    "defects.per_frame()?",
    "let classes = KMeans::new(2).fit(&defects)?;\nclasses",
    "let components = Pca::new(3).fit(&defects)?;\ncomponents",
    "println!(\"{:?}\", components.scores.row(0));",
    "Evidence::default().with_surrogates(20).split_half(&movie.frame(0)?)?",
    'df!("site" => ["Mo_W", "V_2S"], "count" => [3, 4])?',
    "Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3])",
    "movie.frame(9)?",
]
TIME = re.compile(r"\d+(\.\d+)? (s|min|h)\b|\d+(\.\d+)? \w+/s")
PROGRESS = re.compile(r"^[a-z][\w -]*: (stopped at )?\d+ (of \d+ )?[\w ]+(in|after|,)")


def run(cells):
    """The outputs of every cell of a notebook, as `jupyter nbconvert --execute` would store them."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name=NAME, timeout=CELL_S, startup_timeout=FIRST_CELL_S, allow_errors=True).execute()
    nbformat.validate(notebook)
    return [cell["outputs"] for cell in notebook.cells]


def is_progress(output):
    return output["output_type"] == "display_data" and bool(PROGRESS.match(output["data"].get("text/plain", "")))


def without_times(outputs):
    """The one rule: work that takes under half a second shows no progress, so displays of progress are taken out; what
    is left must be the same byte for byte. Of the displays of progress themselves see `masked`."""
    return [output for output in outputs if not is_progress(output)]


def masked(outputs):
    """What displays of progress say, without times and rates."""
    return [TIME.sub("TIME", output["data"]["text/plain"]) for output in outputs if is_progress(output)]


def test_running_a_notebook_twice_gives_the_same_outputs(figures):
    first, second = run(CELLS), run(CELLS)
    for code, one, two in zip(CELLS, first, second, strict=True):
        one, two = (json.dumps(without_times(outputs), indent=1, sort_keys=True) for outputs in (one, two))
        difference = "\n".join(list(difflib.unified_diff(one.splitlines(), two.splitlines(), lineterm="", n=0))[:20])
        assert one == two, f"expected the same outputs of {code!r}:\n{difference[:2000]}"
    training = [masked(outputs[3]) for outputs in (first, second)]
    assert training[0] == training[1] and "120 steps in TIME" in training[0][0], f"expected the same bar: {training}"
    for code, outputs in zip(CELLS[:-1], first, strict=False):
        errors = [output for output in outputs if output["output_type"] == "error"]
        assert outputs and not errors, f"expected {code!r} to show something: {errors}"
    assert first[-1][-1]["output_type"] == "error", f"expected the missing frame to be an error: {first[-1]}"
    assert not INTERNAL.search(json.dumps(first)), "expected no word of the engine"
    pages = [output["data"].get("text/html", "") for outputs in first for output in outputs if "data" in output]
    figures(f"{sum('<svg' in page or '<img' in page for page in pages)} figures, {sum('<table' in page for page in pages)} tables")
    assert any("<svg" in page or "<img" in page for page in pages), "expected a figure"
    assert sum("<table" in page for page in pages) >= 3, "expected tables"
