"""How spills grow: pictures and area over time beside the published sample.

    python -m scripts.growth [--folder docs]

Reads the sample of "Smart Facility: Spills Basic" from ``../shared/samples``.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from infinity_frames.engine.generators.photography import Photography
from infinity_frames.engine.generators.spills.flow import outflow
from infinity_frames.engine.generators.spills.parameters_v2 import OUTFLOWS, PHOTOGRAPHY, SPEC
from infinity_frames.engine.generators.spills.video_v2 import build_pool
from infinity_frames.io.video import read_frames

SAMPLE = Path(__file__).parents[2] / "shared" / "samples" / "spills-basic"
SPILL = (25, 25, 112)  # color of the spill in the semantic masks
TIMES = (0.15, 0.4, 0.7, 1.0)
SEED = 7
ATTRIBUTION = (
    'Upper row: a sample of "Smart Facility: Spills Basic" by Infinity AI, CC BY 4.0 (cropped).'
)


def published_areas() -> NDArray[np.float64]:
    """Pixels of the sample's spill in every frame."""
    areas = []
    with zipfile.ZipFile(SAMPLE / "00000_segmentation.zip") as pack:
        for name in sorted(name for name in pack.namelist() if name.endswith("cseg.png")):
            picture = cv2.imdecode(np.frombuffer(pack.read(name), np.uint8), cv2.IMREAD_COLOR)
            assert picture is not None
            areas.append((picture[..., ::-1] == SPILL).all(axis=-1).sum())
    return np.array(areas, float)


def own(params: dict[str, Any]) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """Pictures at `TIMES`, and the pixels of the spill at 51 times, of a job of ours."""
    photography = Photography.of(params, SEED, PHOTOGRAPHY)
    _, _, pool = build_pool(params, SEED, photography)
    sensor = photography.sensor(SEED)
    sensor.expose(pool.dry)
    shares = [outflow("DRAINING", time) for time in TIMES]
    pictures = [sensor.picture(pool.picture(share), 0) for share in shares]
    steps = np.linspace(0.0, 1.0, 51)
    return pictures, np.array([pool.wet(outflow("DRAINING", t)).sum() for t in steps], float)


def main() -> None:
    """Draw ``spills-growth.png``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    folder = parser.parse_args().folder
    matplotlib.use("Agg")
    given = json.loads((SAMPLE / "00000_params.json").read_text())["params"]
    same = ("scene", "size", "aspect_ratio", "profile_irregularity", "depth")
    params = {**SPEC.defaults, **{name: given[name] for name in same}, "color": "RED"}
    pictures, areas = own(params)
    frames = list(read_frames(SAMPLE / "00000.mp4"))
    published = published_areas()

    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = figure.subplot_mosaic(
        [[f"theirs{i}" for i in range(4)], [f"ours{i}" for i in range(4)], ["areas"] * 4],
        height_ratios=(1, 1, 1.6),
    )
    for index, time in enumerate(TIMES):
        theirs = frames[round(time * (len(frames) - 1))]
        axes[f"theirs{index}"].imshow(theirs[380:, :640])
        axes[f"theirs{index}"].set_title(f"{time:.0%} of the video")
        axes[f"ours{index}"].imshow(pictures[index][240:, 160:800])
        for row in ("theirs", "ours"):
            axes[f"{row}{index}"].set_axis_off()
    plot = axes["areas"]
    times = np.linspace(0.0, 1.0, len(published))
    plot.plot(times, published / published[-1], "k", lw=3, label="published sample, pixels")
    plot.plot(np.linspace(0, 1, 51), areas / areas[-1], "o", ms=3, label="v0.2.0, pixels")
    for kind in OUTFLOWS:
        plot.plot(times, [outflow(kind, t) for t in times.tolist()], "--", label=f"outflow {kind}")
    plot.set(xlabel="share of the video", ylabel="share of the final area")
    plot.legend(frameon=False)
    figure.supxlabel(ATTRIBUTION, fontsize=9)
    figure.savefig(folder / "spills-growth.png", dpi=80)


if __name__ == "__main__":
    main()
