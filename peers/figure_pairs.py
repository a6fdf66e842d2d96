"""Figures of ours beside what matplotlib and AtomAI draw of the same data, on one sheet, each judged.

    cargo run --example figure_sheet -- FOLDER
    python peers/figure_pairs.py FOLDER

writes FOLDER/pairs.png and prints a table. Theirs are the calls that their users write, with their defaults; both are brought
to the width of a column (89 mm). Text is measured in points at that width, overlaps of text by the boxes that it takes.
"""

import importlib.util
import io
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from PIL import Image, ImageDraw

COLUMN_IN = 89 / 25.4
WIDE = 520
"""Pixels of a picture on the sheet."""


def atomai():
    """AtomAI's file of plots, without the rest of AtomAI, which would load PyTorch."""
    package = importlib.util.find_spec("atomai")
    path = Path(package.submodule_search_locations[0]) / "utils" / "viz.py"
    spec = importlib.util.spec_from_file_location("viz", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frame_with_classes(folder, viz):
    frame = np.load(folder / "movie.npy")[0]
    rows = pl.read_parquet(folder / "defects.parquet").filter(pl.col("frame") == 0)
    viz.plot_coord(frame, rows.select("y_px", "x_px", "class").to_numpy().astype(float))


def concentrations(folder, _):
    table = pl.read_parquet(folder / "concentration.parquet")
    kinds, value = table.columns[0], next(c for c in ("per_nm2", "total") if c in table.columns)
    for (kind,), rows in table.group_by(kinds, maintain_order=True):
        plt.plot(rows["time_s"], rows[value], label=kind)
    plt.xlabel("time (s)")
    plt.ylabel(value)
    plt.legend()


def displacements(folder, _):
    table = pl.read_parquet(folder / "msd.parquet")
    for (kind,), rows in table.group_by("kind", maintain_order=True):
        plt.loglog(rows["lag_s"], rows["msd_nm2"], "o-", label=kind)
    plt.xlabel("lag (s)")
    plt.ylabel("MSD (nm²)")
    plt.legend()


def transitions(folder, viz):
    table = pl.read_parquet(folder / "chain.parquet")
    names = table["from"].unique(maintain_order=True).to_list()
    viz.plot_transitions(table["p"].to_numpy().reshape(len(names), -1), states=np.array(names), plot_values=True)


def trajectories(folder, viz):
    rows = pl.read_parquet(folder / "tracks.parquet").sort("track", "frame")
    longest = rows.group_by("track").len().sort("len", "track", descending=[True, False])["track"][0]
    one = rows.filter(pl.col("track") == longest)
    viz.plot_trajectories(one.select("y_px", "x_px").with_columns(c=0.0).to_numpy(), one["frame"].to_numpy())


def frames(folder, _):
    movie = np.load(folder / "movie.npy")
    _, axes = plt.subplots(1, 3, figsize=(9, 3))
    for i, axis in zip((0, len(movie) // 2, len(movie) - 1), axes):
        axis.imshow(movie[i], cmap="gray")
        axis.set_title(f"frame {i}")


# Name, who draws theirs, how, the words of a legend or colour bar that it needs, and whether it needs a scale bar.
PAIRS = [("movie", "matplotlib", frames, None, True),
         ("defects", "AtomAI plot_coord", frame_with_classes, "defect|class", True),
         ("concentration", "matplotlib", concentrations, "V_S", False),
         ("msd", "matplotlib", displacements, "V_S", False),
         ("matrix", "AtomAI plot_transitions", transitions, "1e-2", False),
         ("tracks", "AtomAI plot_trajectories", trajectories, "time|States", False)]


def overlaps(boxes):
    """Pairs of texts that cover each other by more than a pixel."""
    def meet(a, b):
        return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1
    return sum(meet(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def judged(words, legend, bar):
    """What words say: a unit anywhere; where they are needed, a legend, and a scale bar's length."""
    everything = " ".join(words)
    return {"units": "yes" if re.search(r"\((s|nm|px|nm²)[ )/]|\d s\b|\d [np]m\b|per nm", everything) else "no",
            "legend": "-" if legend is None else "yes" if re.search(legend, everything) else "no",
            "bar": "-" if not bar else "yes" if any(re.fullmatch(r"\d+ (nm|pm)", w) for w in words) else "no"}


def judged_theirs(figure, legend, bar):
    """What can be said of a matplotlib figure by its parts."""
    figure.canvas.draw()
    render = figure.canvas.get_renderer()
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_visible() and t.get_text().strip()]
    inside = [(t, b) for t, b in ((t, t.get_window_extent(render)) for t in texts) if figure.bbox.overlaps(b)]
    return judged([t.get_text() for t, _ in inside], legend, bar) | {
        "overlaps": overlaps([b.extents for _, b in inside]),
        "points": min(t.get_fontsize() for t, _ in inside) * COLUMN_IN / figure.get_size_inches()[0]}


def judged_ours(svg, legend, bar):
    """The same of one of our SVGs, 89 mm wide: its words, where they stand and how large they are."""
    from html import unescape
    pattern = (r'role="text" aria-label="([^"]*)"[^>]*transform="translate\(([-\d.]+) ([-\d.]+)\)( rotate\(-90\))? '
               r'scale\(([\d.]+)')
    boxes, sizes, all_words = [], [], []
    for words, x, y, turned, scale in re.findall(pattern, svg):
        words, x, y, em = unescape(words), float(x), float(y), 2048 * float(scale)
        # Nearly as wide as most letters of the font.
        long, high = 0.52 * em * len(words), 0.73 * em
        boxes.append((x - high, y - long, x, y) if turned else (x, y - high, x + long, y))
        sizes.append(0.75 * em)
        all_words.append(words)
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    points = min(sizes) * COLUMN_IN * 96 / width
    return judged(all_words, legend, bar) | {"overlaps": overlaps(boxes), "points": points}


def on_paper(image):
    """As wide as all others."""
    image = image.convert("RGB")
    return image.resize((WIDE, round(image.height * WIDE / image.width)), Image.LANCZOS)


def main():
    folder = Path(sys.argv[1])
    viz = atomai()
    rows = []
    for name, who, draw, legend, bar in PAIRS:
        plt.close("all")
        draw(folder, viz)
        figure = plt.gcf()
        theirs = judged_theirs(figure, legend, bar)
        stored = io.BytesIO()
        figure.savefig(stored, dpi=200)
        ours = judged_ours((folder / f"{name}-single.svg").read_text(), legend, bar)
        rows.append((name, who, on_paper(Image.open(folder / f"{name}-single.png")), ours,
                     on_paper(Image.open(stored)), theirs))
    head = 34
    sheet = Image.new("RGB", (2 * WIDE + 30, sum(max(r[2].height, r[4].height) + head + 10 for r in rows)), "white")
    draw = ImageDraw.Draw(sheet)
    top = 0
    print(f"{'figure':14} {'drawn by':26} units legend bar overlaps smallest text at 89 mm")
    for name, who, left, ours, right, theirs in rows:
        for at, by, marks in ((0, "Atomotion", ours), (WIDE + 30, who, theirs)):
            words = (f"{name:14} {by:26} {marks['units']:5} {marks['legend']:6} {marks['bar']:3} "
                     f"{marks['overlaps']:8} {marks['points']:.1f} pt")
            print(words)
            draw.text((at + 4, top + 6), re.sub(" +", " ", words), fill="black")
        sheet.paste(left, (0, top + head))
        sheet.paste(right, (WIDE + 30, top + head))
        top += max(left.height, right.height) + head + 10
    sheet.save(folder / "pairs.png")


if __name__ == "__main__":
    main()
