"""The same figure as SVG, PNG and PDF, drawn by programs that know nothing of each other, and the player of an animation."""

import base64
import os
import subprocess
from pathlib import Path

import pypdfium2
import pytest

ROOT = Path(__file__).parents[2]

COMPARE = """
async ([png, svg, pdf]) => {
  const load = (url) => new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(url.slice(0, 40));
    image.src = url;
  });
  const first = await load("data:image/png;base64," + png);
  const [width, height] = [first.width, first.height];
  const pixels = (draw) => {
    const canvas = new OffscreenCanvas(width, height);
    const sheet = canvas.getContext("2d");
    draw(sheet);
    return sheet.getImageData(0, 0, width, height).data;
  };
  const second = await load("data:image/svg+xml;base64," + svg);
  const raw = Uint8ClampedArray.from(atob(pdf.data), (c) => c.charCodeAt(0));
  const third = await createImageBitmap(new ImageData(raw, pdf.width, pdf.height));
  const [a, b, c] = [first, second, third].map((image) => pixels((s) => s.drawImage(image, 0, 0, width, height)));
  // Means over blocks, so that an edge half a pixel further is nearly the same; then how many blocks differ.
  const SIDE = 8;
  const blocks = (data) => {
    const sums = [];
    for (let y = 0; y + SIDE <= height; y += SIDE)
      for (let x = 0; x + SIDE <= width; x += SIDE) {
        const sum = [0, 0, 0];
        for (let v = y; v < y + SIDE; v++)
          for (let u = x; u < x + SIDE; u++)
            for (let k = 0; k < 3; k++) sum[k] += data[4 * (v * width + u) + k];
        sums.push(...sum.map((s) => s / SIDE / SIDE));
      }
    return sums;
  };
  const [one, two, three] = [a, b, c].map(blocks);
  const compare = (other) => {
    const differences = one.map((v, i) => Math.abs(v - other[i])).sort((x, y) => x - y);
    return [differences.reduce((s, d) => s + d, 0) / one.length, differences[Math.floor(0.99 * one.length)]];
  };
  return { svg: compare(two), pdf: compare(three), ink: compare(one.map(() => one[0])) };
}
"""


@pytest.fixture(scope="session")
def sheet(tmp_path_factory):
    """The folder of examples/figure_sheet.rs, or the one that ATOMOTION_FIGURES names."""
    named = os.environ.get("ATOMOTION_FIGURES")
    if named:
        return Path(named)
    folder = tmp_path_factory.mktemp("figures")
    cargo = os.environ.get("CARGO", "cargo")
    done = subprocess.run([cargo, "run", "-q", "--example", "figure_sheet", "--", folder, "96"], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def page(browser):
    page = browser.new_page()
    yield page
    page.close()


def drawn_pdf(path, width):
    """A PDF's page as rows of red, green, blue and alpha, about so many pixels wide; its words."""
    page = pypdfium2.PdfDocument(path)[0]
    bitmap = page.render(scale=width / page.get_width(), rev_byteorder=True, prefer_bgrx=True)
    rows = [bytes(bitmap.buffer[y * bitmap.stride:y * bitmap.stride + 4 * bitmap.width]) for y in range(bitmap.height)]
    opaque = bytearray(b"".join(rows))
    opaque[3::4] = b"\xff" * (len(opaque) // 4)
    picture = {"data": base64.b64encode(bytes(opaque)).decode(), "width": bitmap.width, "height": bitmap.height}
    return picture, page.get_textpage().get_text_range()


def test_every_figure_is_the_same_in_all_formats(sheet, page):
    figures = sorted([*sheet.glob("*-dark.svg"), *sheet.glob("*-single.svg")])
    assert len(figures) > 50, f"expected every kind in two variants, seen {len(figures)}"
    wrong = []
    for svg in figures:
        png = svg.with_suffix(".png").read_bytes()
        width = int.from_bytes(png[16:20], "big")
        pdf, words = drawn_pdf(svg.with_suffix(".pdf"), width)
        text = svg.read_text()
        # No program may draw the text with a font of its own.
        assert "<text" not in text and "font-family" not in text, svg.name
        found = page.evaluate(COMPARE, [base64.b64encode(png).decode(), base64.b64encode(text.encode()).decode(), pdf])
        # Of 255 levels. Noisy images, enlarged by a number of pixels that is not whole, differ most; PDFium widens bars to
        # whole pixels.
        for kind in ("svg", "pdf"):
            mean, worst = found[kind]
            most = (8.5, 50) if "<image" in text else (4.5, 40)
            if mean > most[0] or worst > most[1]:
                wrong.append((svg.name, kind, mean, worst))
        assert found["ink"][0] > 2 * max(found["svg"][0], found["pdf"][0]), f"{svg.name} is nearly blank, or differs: {found}"
        if "aria-label" in text.split("</title>")[1]:
            assert words.strip(), f"{svg.stem}.pdf cannot be searched"
    assert not wrong, wrong


def test_players_play_scrub_and_switch(sheet, page):
    player = (sheet / "player.html").read_text()
    html = "<meta charset='utf-8'><style>body{margin:0}</style>"
    # Two different ones on a page, and one of them twice.
    (sheet / "page.html").write_text(html + player + (sheet / "player-plain.html").read_text() + player)
    problems = []
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.goto((sheet / "page.html").as_uri())
    boxes = page.locator("[data-atomotion]")
    assert boxes.count() == 3
    first, other = boxes.nth(0), boxes.nth(1)
    caption = first.locator("[data-part=caption]")
    assert caption.inner_text().startswith("frame 0")
    # Scrubbing by keyboard.
    first.locator("[data-part=at]").focus()
    page.keyboard.press("ArrowRight")
    assert caption.inner_text().startswith("frame 1,")
    assert other.locator("[data-part=caption]").inner_text().startswith("frame 0")
    assert first.locator("circle").count() > 0
    for box in range(first.locator("[data-layer]").count()):
        first.locator("[data-layer]").nth(box).uncheck()
    assert first.locator("svg[data-part=over] *").count() == 0
    first.locator("[data-layer]").nth(0).check()
    assert first.locator("circle").count() > 0
    # Playing, and stopping.
    other.locator("[data-part=play]").press("Enter")
    page.wait_for_function("() => document.querySelectorAll('[data-part=caption]')[1].textContent.startsWith('frame 3')")
    assert caption.inner_text().startswith("frame 1,"), "one player moves another"
    other.locator("[data-part=play]").click()
    assert other.locator("[data-part=play]").get_attribute("aria-label") == "play"
    assert not problems
    folder = os.environ.get("ATOMOTION_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / "players.png", full_page=True)


def test_without_scripts_a_player_shows_its_first_frame(sheet, browser):
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto((sheet / "player.html").as_uri())
        box = page.locator("[data-part=image]").bounding_box()
        assert box["width"] > 200 and box["height"] > 200
        assert page.locator("[data-part=play]").is_disabled()
    finally:
        context.close()
