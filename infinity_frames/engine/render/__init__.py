"""Rendering: label passes and pictures of a scene, on one CPU core.

``Renderer(scene)`` caches what stands still; ``labels`` and ``picture`` then draw a frame each.
``develop`` turns a picture's radiance into 8 bits. Everything repeats bit for bit.
"""

from infinity_frames.engine.render.develop import auto_exposure, develop
from infinity_frames.engine.render.labels import LabelPass
from infinity_frames.engine.render.patterns import PATTERNS
from infinity_frames.engine.render.renderer import Renderer
from infinity_frames.engine.render.warm import warm_up

__all__ = ["PATTERNS", "LabelPass", "Renderer", "auto_exposure", "develop", "warm_up"]
