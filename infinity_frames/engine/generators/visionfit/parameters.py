"""The parameters of VisionFit: names, types, ranges, defaults, sampling, joint rules."""

from __future__ import annotations

from infinity_frames.engine.generators.camera_parameters import CAMERA_AND_LIGHT
from infinity_frames.engine.generators.exercise_parameters import (
    MAX_SEED,
    MOTION,
    TRIMS,
    by_category,
    no_trims_for,
)
from infinity_frames.engine.people.exercises import VISIONFIT_EXERCISES
from infinity_frames.protocol.spec import (
    Choice,
    Constant,
    Generator,
    Joint,
    Normal,
    Parameter,
    Uniform,
)

__all__ = ["SCENES", "SPEC", "WALL_ART"]

SCENES = ("GYM_1", "BEDROOM_2", "BEDROOM_4", "BEDROOM_5")
WALL_ART = ("ABSTRACT", "PHOTO", "MIRROR")

_IMAGE_SIZES = Joint(("image_width", "image_height"), ((256, 256), (512, 512)))


_SUBJECT = (
    Parameter(
        "scene", "str", "BEDROOM_2", choices=SCENES, description="The room the avatar exercises in."
    ),
    Parameter(
        "exercise",
        "str",
        "PUSHUP",
        choices=VISIONFIT_EXERCISES,
        groups=by_category(VISIONFIT_EXERCISES),
        description="What the avatar does: CATEGORY[-MODIFIER+MODIFIER][-EQUIPMENT][-SIDE].",
    ),
    Parameter(
        "gender",
        "str",
        "MALE",
        choices=("MALE", "FEMALE"),
        description="Gender that the avatar presents.",
    ),
)
_CAMERA_PLACE = (
    Parameter(
        "camera_distance",
        "float",
        3.0,
        min=1.0,
        max=5.25,
        unit="m",
        sampling=Uniform(2.5, 5.0),
        description="Horizontal distance from the camera to the avatar.",
    ),
    Parameter(
        "camera_height",
        "float",
        0.75,
        min=0.1,
        max=2.75,
        unit="m",
        description="Height of the camera above the floor.",
    ),
)
_AVATAR = (
    Parameter(
        "avatar_identity",
        "int",
        0,
        min=0,
        max=24,
        description="Which person: face, hair, skin tone and build.",
    ),
    Parameter(
        "randomize_skin_tone",
        "bool",
        False,
        sampling=Constant(False),
        description="Draw the skin tone instead of taking the identity's own.",
    ),
    Parameter(
        "relative_height",
        "float",
        0.0,
        min=-4.0,
        max=4.0,
        unit="std",
        sampling=Normal(0.0, 1.0),
        description="Stature in standard deviations from the mean of the gender.",
    ),
    Parameter(
        "relative_weight",
        "float",
        0.0,
        min=-4.0,
        max=4.0,
        unit="std",
        sampling=Normal(0.0, 1.0),
        description="Girth in standard deviations from the mean of the gender.",
    ),
)
_VIEW = (
    Parameter(
        "relative_camera_yaw_deg",
        "float",
        0.0,
        min=-45.0,
        max=45.0,
        unit="deg",
        sampling=Uniform(-15.0, 15.0),
        description="How far the camera turns left (positive) or right away from the avatar.",
    ),
    Parameter(
        "relative_camera_pitch_deg",
        "float",
        0.0,
        min=-45.0,
        max=45.0,
        unit="deg",
        sampling=Uniform(-10.0, 10.0),
        description="How far the camera turns up (positive) or down away from the avatar.",
    ),
    Parameter(
        "lighting_power",
        "float",
        100.0,
        min=0.0,
        max=2000.0,
        unit="W",
        sampling=Uniform(10.0, 1000.0),
        description="Power of the room's light.",
    ),
    Parameter(
        "relative_avatar_angle_deg",
        "float",
        0.0,
        min=-180.0,
        max=180.0,
        unit="deg",
        description="Turn of the avatar about the vertical; 0 faces the camera.",
    ),
    Parameter(
        "frame_rate",
        "int",
        24,
        choices=(30, 24, 12, 8, 6),
        unit="Hz",
        description="Frames per second of the video.",
    ),
    *(
        Parameter(
            f"image_{side}",
            "int",
            256,
            min=128,
            max=512,
            unit="px",
            sampling=_IMAGE_SIZES,
            description=f"{side.capitalize()} of the image.",
        )
        for side in ("width", "height")
    ),
)
_PACE = (
    Parameter(
        "inter_rep_delay_avg",
        "float",
        0.0,
        min=0.0,
        max=5.0,
        unit="s",
        sampling=Uniform(0.0, 2.0),
        description="Mean rest between two reps.",
    ),
    Parameter(
        "inter_rep_delay_var",
        "float",
        0.0,
        min=0.0,
        max=5.0,
        unit="s",
        sampling=Uniform(0.0, 2.0),
        description="How far a rest between two reps may differ from the mean.",
    ),
    Parameter(
        "add_pauses",
        "bool",
        False,
        description="Hold still for a moment at the midpoint of each rep.",
    ),
)
_LOOK = (
    Parameter(
        "add_wall_art", "bool", False, description="Hang something on the wall behind the avatar."
    ),
    Parameter(
        "wall_art_type",
        "str",
        "ABSTRACT",
        choices=WALL_ART,
        description="What hangs there, if add_wall_art is true.",
    ),
    Parameter(
        "outfit", "int", 0, min=0, max=4, description="Which of the avatar's outfits it wears."
    ),
    Parameter("hide_shoes", "bool", False, description="Take the shoes off."),
    Parameter("add_socks", "bool", False, description="Put socks on; seen where shoes are hidden."),
    Parameter(
        "allowable_occlusion",
        "float",
        0.0,
        min=0.0,
        max=100.0,
        unit="%",
        sampling=Choice((0.0, 10.0, 20.0, 30.0, 50.0), (0.5, 0.15, 0.15, 0.1, 0.1)),
        description="Most of the avatar that furniture placed before it may hide in any frame.",
    ),
    Parameter(
        "enable_sensor_noise",
        "bool",
        True,
        sampling=Constant(True),
        description="Add photon shot noise and read noise to the images.",
    ),
)


_REPEAT = (
    Parameter(
        "state", "uuid", description="An earlier job whose random decisions this job repeats."
    ),
    Parameter(
        "random_seed",
        "int",
        min=0,
        max=MAX_SEED,
        description="Where every random decision comes from; drawn afresh where unspecified.",
        extension=True,
    ),
)

SPEC = Generator(
    name="visionfit-v0.4.0",
    version="0.4.0",
    parameters=(
        *_SUBJECT,
        *MOTION,
        *_CAMERA_PLACE,
        *_AVATAR,
        *_VIEW,
        *_PACE,
        *_LOOK,
        *CAMERA_AND_LIGHT,
        *_REPEAT,
    ),
    constraints=(
        TRIMS,
        *no_trims_for(VISIONFIT_EXERCISES),
    ),
    preview=True,
)
