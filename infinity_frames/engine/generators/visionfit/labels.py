"""A frame's labels: annotations and masks, from what the label pass saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from infinity_frames.engine.core.job_files import mask_png, run_lengths
from infinity_frames.engine.generators.annotations import FrameLabels, distinct_colors
from infinity_frames.engine.generators.keypoints import inside, named, visibility
from infinity_frames.engine.generators.visionfit.categories import CATEGORIES
from infinity_frames.engine.people.body import COCO
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS
from infinity_frames.engine.render import LabelPass
from infinity_frames.engine.scene.camera import project
from infinity_frames.engine.scene.scene import Placement, Scene

__all__ = ["Person", "SceneAnnotator"]

# What may lie before a point on the skin that counts as visible: a crease, m.
_SKIN_MARGIN = 0.004

# Corners of a box as labels order them: 0 1 2 3 around the top, 4 5 6 7 below them; 0 and 1 are the
# -Y side, 0 and 3 the -X side. Which end of x, y and z each takes:
_CORNERS = np.array(
    [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
)


@dataclass(frozen=True, eq=False)
class Person:
    """The person in one frame; positions global, m.

    Parameters
    ----------
    joints : (55, 3) array
    joint_tolerance : (55,) array
        How much of the body may lie before a joint that counts as visible, m.
    quaternions : (55, 4) array
        Relative to the parent, w x y z.
    skin_names : tuple of str
        Names of the points on the skin.
    skin : (N, 3) array
        Where they are.
    coco : (17, 3) array
        The COCO points.
    """

    joints: NDArray[np.float64]
    joint_tolerance: NDArray[np.float64]
    quaternions: NDArray[np.float64]
    skin_names: tuple[str, ...]
    skin: NDArray[np.float64]
    coco: NDArray[np.float64]

    @property
    def on_skin(self) -> NDArray[np.bool_]:
        """Which points lie on the skin, in the order joints, skin, COCO."""
        skin = np.ones(len(self.skin_names), bool)
        coco = [joint is None for joint, _ in COCO.values()]
        return np.concatenate([np.zeros(len(self.joints), bool), skin, coco])

    @property
    def tolerances(self) -> NDArray[np.float64]:
        """How much of the body may lie before each visible point, m, in the same order."""
        skin = np.full(len(self.skin_names), _SKIN_MARGIN)
        coco = [
            _SKIN_MARGIN if joint is None else self.joint_tolerance[JOINT_INDEX[joint]]
            for joint, _ in COCO.values()
        ]
        return np.concatenate([self.joint_tolerance, skin, coco])


@dataclass(frozen=True, eq=False)
class _Instance:
    """A labeled object of the scene."""

    name: str
    object_id: int
    instance_id: int
    category_id: int
    color: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Extent:
    """What does not depend on other objects; for one that stands still, the same in every frame."""

    unoccluded_area: int
    mask: bytes
    percent_in_fov: float
    cuboid: list[list[float]]


class SceneAnnotator:
    """Writes down a scene's labels, frame after frame.

    Parameters
    ----------
    scene : Scene
        One of its objects is ``person``.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._instances = _instances(scene)
        count = len(scene.objects) + 1
        self._instance_colors = np.zeros((count, 3), np.uint8)
        self._category_colors = np.zeros((count, 3), np.uint8)
        category_colors = distinct_colors(len(CATEGORIES), 0.05)
        for instance in self._instances:
            self._instance_colors[instance.object_id] = instance.color
            self._category_colors[instance.object_id] = category_colors[instance.category_id - 1]
        self._still: dict[int, _Extent] = {}
        self._next_id = 1

    def label(
        self,
        frame: int,
        seen: LabelPass,
        placements: Mapping[str, Placement],
        person: Person,
        rep_counts: tuple[float, float],
    ) -> FrameLabels:
        """Make the labels of the next frame; annotations are numbered through the video.

        Parameters
        ----------
        frame : int
            Frame number.
        seen : LabelPass
            The label pass of this frame.
        placements : mapping of str to Placement
            Where the moving objects are.
        person : Person
        rep_counts : (float, float)
            Reps done, counted from the start and from the intermediate position.

        Returns
        -------
        FrameLabels
        """
        areas = np.bincount(seen.ids.ravel(), minlength=len(self._scene.objects) + 1)
        present = [
            instance
            for instance in self._instances
            if areas[instance.object_id] or instance.name == "person"
        ]
        ids = np.array([instance.object_id for instance in present])
        outlines = run_lengths(seen.ids == ids[:, None, None])
        boxes = coco_mask.toBbox(outlines).astype(int).tolist()  # of an empty mask: all 0
        stem = f"image.{frame:06d}"
        masks = {
            f"{stem}.cseg.png": mask_png(seen.ids, self._category_colors),
            f"{stem}.iseg.png": mask_png(seen.ids, self._instance_colors),
        }
        annotations = []
        for instance, outline, box in zip(present, outlines, boxes, strict=True):
            extent = self._extent(instance, seen, placements)
            area = int(areas[instance.object_id])
            annotation = {
                "id": self._next_id,
                "image_id": frame,
                "instance_id": instance.instance_id,
                "category_id": instance.category_id,
                "iscrowd": 0,
                "color": (instance.color / 255).tolist(),
                "bbox": box,
                "segmentation": outline,
                "area": area,
                "percent_in_fov": extent.percent_in_fov,
                "percent_occlusion": _hidden_share(area, extent.unoccluded_area),
                "cuboid_coordinates": extent.cuboid,
            }
            if instance.name == "person":
                annotation |= self._person(person, seen, instance.object_id)
            annotations.append(annotation)
            masks[f"{stem}.iseg.{self._next_id:06d}.png"] = extent.mask
            self._next_id += 1
        return FrameLabels(self._image(frame, rep_counts), annotations, masks)

    def _image(self, frame: int, rep_counts: tuple[float, float]) -> dict[str, Any]:
        camera = self._scene.camera
        return {
            "id": frame,
            "width": camera.width,
            "height": camera.height,
            "frame_number": frame,
            "rep_count_from_start": round(rep_counts[0], 6),
            "rep_count_from_intermediate": round(rep_counts[1], 6),
        }

    def _extent(
        self, instance: _Instance, seen: LabelPass, placements: Mapping[str, Placement]
    ) -> _Extent:
        if instance.object_id in self._still:
            return self._still[instance.object_id]
        moves = instance.name in placements
        vertices = (
            placements[instance.name].vertices
            if moves
            else self._scene.objects[instance.object_id - 1].mesh.vertices
        )
        alone = seen.unoccluded(instance.object_id)
        camera = self._scene.camera
        share = inside(camera, *project(camera, vertices)).mean()
        extent = _Extent(
            unoccluded_area=int(np.count_nonzero(alone)),
            mask=mask_png(alone, np.stack([0 * instance.color, instance.color])),
            percent_in_fov=round(100.0 * float(share), 3),
            cuboid=self._cuboid(vertices),
        )
        if not moves:
            self._still[instance.object_id] = extent
        return extent

    def _cuboid(self, vertices: NDArray[np.float64]) -> list[list[float]]:
        # Reduced along contiguous rows: thirty times faster than along columns of three.
        axes = np.ascontiguousarray(vertices.T)
        ends = np.stack([axes.min(axis=1), axes.max(axis=1)])
        corners = ends[_CORNERS, np.arange(3)]
        pixels, depth = project(self._scene.camera, corners)
        table: list[list[float]] = np.column_stack(
            [np.round(pixels, 3), np.round(depth, 5)]
        ).tolist()
        return table

    def _person(self, person: Person, seen: LabelPass, object_id: int) -> dict[str, Any]:
        camera = self._scene.camera
        points = np.concatenate([person.joints, person.skin, person.coco])
        pixels, depth = project(camera, points)
        states = visibility(
            camera, seen, object_id, pixels, depth, person.tolerances, person.on_skin
        )
        joints, skin = len(JOINTS), len(person.skin_names)
        flat, coco_states = np.round(pixels[joints + skin :], 3), states[joints + skin :]
        # COCO writes a point that is not labeled as 0 0 0; only what is in the image is.
        coco = np.where((coco_states > 0)[:, None], np.column_stack([flat, coco_states]), 0.0)
        return {
            "armature_keypoints": named(JOINTS, camera, person.joints, states[:joints]),
            "vertex_keypoints": named(
                person.skin_names, camera, person.skin, states[joints : joints + skin]
            ),
            "keypoints": _flat_coco(coco),
            "num_keypoints": int(np.count_nonzero(coco_states)),
            "quaternions": dict(zip(JOINTS, np.round(person.quaternions, 6).tolist(), strict=True)),
        }


def _instances(scene: Scene) -> list[_Instance]:
    """Return the labeled objects, the person first."""
    labeled = [
        (item.name != "person", object_id, item)
        for object_id, item in enumerate(scene.objects, start=1)
        if item.category is not None
    ]
    labeled.sort(key=lambda entry: entry[:2])
    colors = distinct_colors(len(labeled), 0.55)
    return [
        _Instance(
            name=item.name,
            object_id=object_id,
            instance_id=position + 1,
            category_id=CATEGORIES.index(str(item.category)) + 1,
            color=colors[position],
        )
        for position, (_, object_id, item) in enumerate(labeled)
    ]


def _hidden_share(area: int, unoccluded: int) -> float | None:
    return None if not unoccluded else round(100.0 * (1.0 - area / unoccluded), 3)


def _flat_coco(points: NDArray[np.float64]) -> list[float | int]:
    return [value for x, y, v in points.tolist() for value in (x, y, int(v))]
