"""Rendering: label passes and pictures of a scene, on the CPU.

``Renderer(scene)`` caches the static objects; ``labels`` and ``picture`` then draw one frame each.
``tonemap`` turns a picture's radiance into 8 bits. Everything repeats bit for bit.
"""

from infinity_frames.engine.render.labels import LabelPass
from infinity_frames.engine.render.patterns import PATTERNS
from infinity_frames.engine.render.renderer import Renderer
from infinity_frames.engine.render.tonemap import Response, auto_exposure, tonemap

__all__ = ["PATTERNS", "LabelPass", "Renderer", "Response", "auto_exposure", "tonemap"]
