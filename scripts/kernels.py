"""Compile the renderer's kernels for this machine, once, before several processes need them.

python -m scripts.kernels
"""

from __future__ import annotations

import time

from infinity_frames.engine.generators.sensefit import SenseFit, SenseFitV3
from infinity_frames.engine.generators.spills import Spills, SpillsV2
from infinity_frames.engine.generators.visionfit import VisionFit


def main() -> None:
    start = time.monotonic()
    for generator in (VisionFit, SenseFit, SenseFitV3, Spills, SpillsV2):
        generator().prepare()
    print(f"Kernels are compiled ({time.monotonic() - start:.0f} s).")


if __name__ == "__main__":
    main()
