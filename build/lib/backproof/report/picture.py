"""The loss over 10,000 iterations, proven, as a picture that takes the page's colours."""

import io
import re
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, ACCENT, FAINT = "#010203", "#040506", "#070809"
"""Stand-ins: the page's own colours take their places."""

COLOURS = {INK: "var(--ink)", ACCENT: "var(--accent)", FAINT: "var(--line)"}


def loss_curve(trajectory: Mapping[int, Mapping[str, str]]) -> str:
    """Return an <svg> of the loss after so many updates, both axes logarithmic.

    trajectory: updates -> {"E": loss}.
    """
    steps = [n for n in trajectory if n]
    losses = [float(trajectory[n]["E"]) for n in steps]
    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "backproof",
        "font.family": "sans-serif",
        "font.size": 11,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": FAINT,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.loglog(steps, losses, color=ACCENT, linewidth=2)
        marked = [n for n in (1, 10, 100, 1_000, 10_000) if n in trajectory]
        at = [float(trajectory[n]["E"]) for n in marked]
        axes.loglog(marked, at, "o", color=ACCENT, markersize=5)
        for n, loss in zip(marked, at, strict=True):
            right = n == max(marked)
            axes.annotate(
                f"{loss:.3g}",
                (n, loss),
                xytext=(-8, -6) if right else (6, 8),
                textcoords="offset points",
                ha="right" if right else "left",
            )
        axes.set_xlabel("updates made")
        axes.set_ylabel("loss E")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(visible=True, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        target = io.StringIO()
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    svg = target.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for stand_in, colour in COLOURS.items():
        svg = svg.replace(stand_in, colour)
    ends = [f"{losses[i]:.3g} after {steps[i]:,} updates" for i in (0, -1)]
    said = f"the loss falls from {' to '.join(ends)}"
    return svg.replace("<svg", f'<svg role="img" aria-label="{said}"', 1)
