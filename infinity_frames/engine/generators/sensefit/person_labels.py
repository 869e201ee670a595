"""Labels of the person in the video of SenseFit v0.3.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.annotations import (
    Annotator,
    Category,
    FrameLabels,
    LabeledObject,
)
from infinity_frames.engine.generators.keypoints import HIDDEN, OUTSIDE, VISIBLE, inside, named
from infinity_frames.engine.people.skeleton import JOINTS
from infinity_frames.engine.render import LabelPass
from infinity_frames.engine.scene.camera import project
from infinity_frames.engine.scene.scene import Scene

__all__ = ["PersonLabeler"]

_PERSON = Category("person", color=(220, 20, 60))


class PersonLabeler:
    """Labels mask, box and joints of the person, frame after frame.

    Parameters
    ----------
    scene : Scene
        One of its objects is ``person``.
    """

    categories = (_PERSON,)

    def __init__(self, scene: Scene) -> None:
        self._camera = scene.camera
        self._id = [item.name for item in scene.objects].index("person") + 1
        self._annotator = Annotator(self.categories, occlusion=False)

    @property
    def info(self) -> dict[str, Any]:
        """The camera, for ``info`` of labels.json."""
        return {
            "camera_location": self._camera.location.tolist(),
            "camera_K_matrix": self._camera.K.tolist(),
            "camera_RT_matrix": self._camera.RT.tolist(),
            "camera_P_matrix": self._camera.P.tolist(),
        }

    def label(
        self,
        frame: int,
        seen: LabelPass,
        joints: NDArray[np.float64],
        image: Mapping[str, Any],
    ) -> FrameLabels:
        """Label one frame.

        Parameters
        ----------
        frame : int
            Frame number.
        seen : LabelPass
        joints : (55, 3) array
            Global, m.
        image : mapping
            Further columns of the image.

        Returns
        -------
        FrameLabels
        """
        mask = seen.ids == self._id
        pixels, depth = project(self._camera, joints)
        within = inside(self._camera, pixels, depth)
        columns, rows = np.where(within[:, None], pixels, 0.0).astype(np.intp).T
        # A joint lies inside the body: it is visible if its pixel shows the body.
        states = np.where(within, np.where(mask[rows, columns], VISIBLE, HIDDEN), OUTSIDE)
        points = named(JOINTS, self._camera, joints, states)
        person = LabeledObject("person", 0, mask, extra={"armature_keypoints": points})
        return self._annotator.label(frame, (mask.shape[0], mask.shape[1]), [person], image)
