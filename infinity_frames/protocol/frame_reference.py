"""Descriptions of all frames and their columns: unit and meaning, for the table reference."""

from __future__ import annotations

from typing import Final

__all__ = ["DESCRIPTIONS", "FRAMES"]

FRAMES: Final[dict[str, str]] = {
    "parameters": "A row per parameter of a generator, indexed by `name`: `session.parameters`.",
    "violations": "A row per broken rule of a job: `jobs.infinity.violations()`.",
    "batch": "A row per submitted job, then its parameters and tags: `jobs.infinity.submit()`.",
    "results": "A row per job of a downloaded batch, failed ones too, then its parameters and "
    "tags: `inf.read_results(path)`.",
    "scenes": "A row per job with the scene's own labels; vectors and matrices are lists: "
    "`results.infinity.scenes()`.",
    "images": "A row per video frame: `results.infinity.images()`.",
    "annotations": "A row per labeled object and frame: `results.infinity.annotations()`.",
    "keypoints": "A row per keypoint, person and frame: `results.infinity.keypoints()`; "
    "`.infinity.wide()` makes it a row per frame.",
    "cuboids": "A row per corner of an object's 3D box and frame: `results.infinity.cuboids()`.",
    "timeseries": "A row per sample of a job's sensor data: `results.infinity.timeseries()`.",
    "categories": "A row per category that a job's labels use: table `categories` in SQL.",
    "colors": "A row per color in a job's masks: `results.infinity.colors()`.",
    "discrepancies": "A row per failed comparison of the audit: `results.infinity.verify()`.",
}
"""Meaning of a row of each kind of frame, and the functions that return it."""

_ID = "-"
_PERCENT = "%"


def _global_axes() -> dict[str, tuple[str, str]]:
    axes = {"x": "x", "y": "y", "z": "z (up)"}
    return {
        f"{a}_global": ("m", f"Position along the global {text} axis.") for a, text in axes.items()
    }


def _rotation_matrix() -> dict[str, tuple[str, str]]:
    return {
        f"rotation_matrix_m{row}{column}": (
            _ID,
            f"Element ({row}, {column}) of the rotation from the reference frame to the device.",
        )
        for row in range(1, 4)
        for column in range(1, 4)
    }


_REPS = {
    "rep_count_from_start": ("reps", "Repetitions done, counted from the start pose: 4.23."),
    "rep_count_from_intermediate": ("reps", "Repetitions done, counted from the midpoint pose."),
}

DESCRIPTIONS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "any": {
        "batch_id": (_ID, "Id of the batch."),
        "job_id": (_ID, "Id of the job; in a published data set its folder and file stem."),
        "generator": (_ID, "Full name of the generator."),
        "seed": (_ID, "Seed of the job's random decisions."),
        "is_preview": (_ID, "Whether the job rendered one frame only."),
        "status": (_ID, "State of the job."),
        "error": (_ID, "Why the job failed."),
        "image_id": (_ID, "Id of the frame in the job's labels file."),
        "frame_number": ("frames", "Number of the frame in the video, from 0."),
        "annotation_id": (_ID, "Id of the annotation in the job's labels file."),
    },
    "parameters": {
        "type": (_ID, "Type of the value."),
        "default": (_ID, "Value of a job that does not specify it; NA if it is required."),
        "min": ("unit of the row", "Smallest value allowed."),
        "max": ("unit of the row", "Largest value allowed."),
        "choices": (_ID, "List of the values allowed; NA if any value in range is."),
        "unit": (_ID, "Unit of the value."),
        "description": (_ID, "Effect of the parameter."),
    },
    "violations": {
        "position": (_ID, "Position of the job in the frame, from 0."),
        "label": (_ID, "Index label of the job in the frame."),
        "parameter": (_ID, "Parameter, or parameters of a joint rule."),
        "rule": (_ID, "Kind of rule."),
        "value": (_ID, "Value that breaks it, as text."),
        "message": (_ID, "The violation as a sentence."),
    },
    "batch": {
        "batch_name": (_ID, "Name given at submission."),
        "estimated_samples": ("samples", "Frames that the job was estimated to take."),
        "samples": ("samples", "Frames that the job took."),
        "created": ("UTC", "Time of submission."),
        "started": ("UTC", "Time at which rendering started."),
        "finished": ("UTC", "Time at which rendering ended."),
    },
    "results": {
        "path": (_ID, "Folder of the job's files; NA if it was not downloaded."),
        "video": (_ID, "Path of the video; NA for a preview."),
        "num_frames": ("frames", "Frames or sensor samples with labels."),
        "avg_percent_in_fov": (_PERCENT, "Mean of `percent_in_fov` of the person."),
        "avg_percent_occlusion": (_PERCENT, "Mean of `percent_occlusion` of the person."),
    },
    "scenes": {
        "camera_pitch": ("deg", "Pitch of the camera; 90 is parallel to the ground."),
        "camera_yaw": ("deg", "Yaw of the camera; 0 looks along +y."),
        "camera_height": ("m", "Height of the camera above the floor."),
        "avatar_yaw": ("deg", "Yaw of the person."),
        "avatar_presenting_gender": (_ID, "Gender that the person presents."),
        "avatar_attire_top": (_ID, "Garment of the upper body."),
        "avatar_attire_bottom": (_ID, "Garment of the lower body."),
        "avatar_waist_circumference": ("m", "Circumference of the waist."),
        "avatar_identity": (_ID, "Number of the person's identity."),
    },
    "images": {
        "time": ("s", "Time of the frame from the start of the video."),
        "width": ("px", "Width of the picture."),
        "height": ("px", "Height of the picture."),
        **_REPS,
        "spill_visible": (_ID, "Whether the spill has a visible pixel."),
    },
    "annotations": {
        "category": (_ID, "Name of the object's category."),
        "bbox_x": ("px", "First column of the box around the visible pixels."),
        "bbox_y": ("px", "First row of the box."),
        "bbox_width": ("px", "Columns of the box; 0 for an unseen person."),
        "bbox_height": ("px", "Rows of the box."),
        "area": ("px", "Visible pixels of the object."),
        "iscrowd": (_ID, "COCO's flag for groups; always 0 in rendered data."),
        "percent_in_fov": (
            _PERCENT,
            "Share of the mesh's vertices inside the view, hidden or not.",
        ),
        "percent_occlusion": (
            _PERCENT,
            "Share of the object's unoccluded mask that other objects hide; missing if that mask "
            "is empty.",
        ),
        "num_keypoints": (_ID, "Number of COCO keypoints with v above 0."),
        "segmentation": (_ID, "COCO segmentation, run lengths or polygons, as JSON."),
        "instance_id": (_ID, "Id of the object, the same through the video."),
        "category_id": (_ID, "Id of the category in the job's labels file."),
    },
    "keypoints": {
        "skeleton": (_ID, "Joints of the armature, points on the skin, or the 17 COCO points."),
        "name": (_ID, "Name of the point."),
        "x": ("px", "Column of the point; pixel c covers [c, c + 1)."),
        "y": ("px", "Row of the point."),
        "v": (_ID, "Visibility: 0 outside the picture, 1 hidden, 2 visible."),
        "z": ("m", "Depth along the camera's axis; missing for COCO points."),
        **_global_axes(),
    },
    "cuboids": {
        "corner": (_ID, "Number of the corner, 0 to 7."),
        "x": ("px", "Column of the projected corner."),
        "y": ("px", "Row of the projected corner."),
        "z": ("m", "Depth of the corner along the camera's axis."),
    },
    "timeseries": {
        "sample": (_ID, "Number of the sample, from 0."),
        "time": ("s", "Time of the sample from the start."),
        "ref_xy_rotation": ("rad", "Rotation of the reference frame about its vertical axis."),
        **_rotation_matrix(),
        **_REPS,
    },
    "categories": {
        "category_id": (_ID, "Id of the category in the job's labels file."),
        "name": (_ID, "Name of the category."),
    },
    "colors": {
        "kind": (_ID, "Masks that hold the color: of instances or of categories."),
        "number": (_ID, 'Number of the object in masks of `kind="index"`; 0 is no object.'),
        "category": (_ID, "Name of the category."),
        "instance_id": (_ID, "Id of the object; missing for categories."),
        "red": ("0-255", "Red of the color."),
        "green": ("0-255", "Green of the color."),
        "blue": ("0-255", "Blue of the color."),
    },
    "discrepancies": {
        "check": (_ID, "Name of the check; `.infinity.verification()` describes all."),
        "expected": (_ID, "Expected value, as text."),
        "found": (_ID, "Value found, as text."),
        "message": (_ID, "The discrepancy as a sentence."),
    },
}
"""Unit and meaning of each column, by kind of frame; ``any`` holds columns that kinds share."""
