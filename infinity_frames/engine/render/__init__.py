"""Rendering: label passes and pictures of a scene, on the CPU.

``Renderer(scene)`` caches what stands still; ``labels`` and ``picture`` then draw a frame each.
``develop`` turns a picture's radiance into 8 bits. Everything repeats bit for bit.
"""

from infinity_frames.engine.render.labels import LabelPass
from infinity_frames.engine.render.patterns import PATTERNS
from infinity_frames.engine.render.renderer import Renderer
from infinity_frames.engine.render.tonemap import auto_exposure, develop

__all__ = ["PATTERNS", "LabelPass", "Renderer", "auto_exposure", "develop"]
