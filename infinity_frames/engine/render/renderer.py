"""Pictures and labels of a scene."""

from __future__ import annotations

from collections.abc import Mapping

from infinity_frames.engine.render.geometry import flatten
from infinity_frames.engine.render.labels import LabelPass, Visibility
from infinity_frames.engine.render.raster import clip_coordinates
from infinity_frames.engine.scene.model import Placement, Scene

__all__ = ["Renderer"]


class Renderer:
    """Draws one scene, frame after frame."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._geometry = flatten(scene)

    def labels(self, placements: Mapping[str, Placement]) -> LabelPass:
        """What every pixel's centre sees."""
        vertices, _ = self._geometry.placed(placements)
        camera = self.scene.camera
        clip = clip_coordinates(camera.P, vertices)
        seen = Visibility.empty(camera.height, camera.width)
        seen.draw(self._geometry, clip, self._geometry.members(range(len(self.scene.objects))))
        return LabelPass.of(seen, self._geometry, clip)
