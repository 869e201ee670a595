"""BlazePose over pictures: run by a Python that has mediapipe and OpenCV, and nothing of ours.

``python blazepose.py INPUT OUTPUT`` reads a JSON list of picture files and writes, for each, the 17
COCO points in pixels as [x, y], or null where no person is found.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COCO_OF_BLAZEPOSE = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)


def detect(files: list[str]) -> list[Any]:
    """Look at each picture by itself with the full model."""
    import cv2
    import mediapipe

    found: list[Any] = []
    with mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as model:
        for file in files:
            stored = cv2.imread(file)
            assert stored is not None, file
            picture = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
            height, width = picture.shape[:2]
            pose = model.process(picture).pose_landmarks
            points = pose and [
                [pose.landmark[i].x * width, pose.landmark[i].y * height] for i in COCO_OF_BLAZEPOSE
            ]
            found.append(points or None)
    return found


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(json.dumps(detect(json.loads(source.read_text()))))
