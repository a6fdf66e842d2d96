"""F1 and its limit, as `cargo lab bench detect` measures them, in a figure.

    python detect_figure.py OUT.svg < {"groups": […], "series": {x label: [[x, [{"f1": [mean, low, high], "limit": …}, …]], …]}}
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "atomotion", "svg.fonttype": "path", "font.size": 9})

from matplotlib import pyplot  # noqa: E402

COLOURS = ("#0072b2", "#d55e00", "#009e73")
"""Okabe and Ito's blue, vermilion and green."""
MARKS = "osD"


def main():
    told, out = json.load(sys.stdin), Path(sys.argv[1])
    figure, panels = pyplot.subplots(1, len(told["series"]), figsize=(8, 3.4), sharey=True, layout="constrained")
    for panel, (label, points) in zip(panels, told["series"].items()):
        x = [at for at, _ in points]
        wide = max(x) > 4 * min(x)
        for g, (name, colour, mark) in enumerate(zip(told["groups"], COLOURS, MARKS)):
            groups = [groups[g] for _, groups in points]
            f1 = [group["f1"][0] for group in groups]
            bars = [[max(sign * (group["f1"][0] - group["f1"][end]), 0.0) for group in groups] for end, sign in ((1, 1), (2, -1))]
            # Side by side where they coincide.
            beside = [at * (1 + 0.012 * (g - 1)) for at in x]
            panel.errorbar(beside, f1, yerr=bars, color=colour, marker=mark, markersize=4, capsize=2, linewidth=1.5, label=name)
            panel.plot(x, [group["limit"] for group in groups], color=colour, linestyle="--", linewidth=1)
        if wide:
            panel.set_xscale("log")
        panel.minorticks_off()
        panel.set_xticks(x, [f"{at:g}" for at in x])
        panel.set(xlabel=label, ylim=(-0.03, 1.05))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("F1")
    panels[-1].plot([], [], color="grey", linestyle="--", linewidth=1, label="independent-site limit")
    panels[-1].legend(loc="lower left", fontsize=8)
    partial = out.with_suffix(".partial")
    figure.savefig(partial, format="svg", metadata={"Date": None})
    partial.rename(out)


if __name__ == "__main__":
    main()
