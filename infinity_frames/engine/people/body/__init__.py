"""The person: a skinned body of any stature, girth, identity and outfit."""

from infinity_frames.engine.people.body.appearance import Appearance
from infinity_frames.engine.people.body.keypoints import COCO
from infinity_frames.engine.people.body.person import Body, build_body

__all__ = ["COCO", "Appearance", "Body", "build_body"]
