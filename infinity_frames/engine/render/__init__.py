"""Rendering: label passes and pictures of a scene, on one CPU core."""

from infinity_frames.engine.render.labels import LabelPass
from infinity_frames.engine.render.renderer import Renderer

__all__ = ["LabelPass", "Renderer"]
