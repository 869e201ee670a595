"""Generator descriptions for tests: every kind of parameter, rule and sampling in one."""

from __future__ import annotations

from infinity_frames.protocol.spec import (
    Choice,
    Conditional,
    Constant,
    Generator,
    Joint,
    Linear,
    Normal,
    Parameter,
    Uniform,
)

KITCHEN = Generator(
    name="kitchen-v1.2.0",
    version="1.2.0",
    parameters=(
        Parameter(
            "dish",
            "str",
            default="SOUP",
            choices=("SOUP", "PIE-LEFT", "PIE-RIGHT", "CAKE"),
            groups={"PIE": ("PIE-LEFT", "PIE-RIGHT")},
        ),
        Parameter("servings", "int", default=1, min=1, max=20, sampling=Uniform(1, 10)),
        Parameter("heat", "float", default=0.5, min=0.1, max=2.75, unit="kW"),
        Parameter("rate", "int", default=24, choices=(30, 24, 12), unit="Hz"),
        Parameter("salt", "float", default=0.0, min=-4.0, max=4.0, sampling=Normal(0, 1)),
        Parameter("start", "float", default=0.0, min=0.0, max=0.9),
        Parameter("end", "float", default=0.0, min=0.0, max=0.9),
        Parameter("width", "int", default=256, min=128, max=512),
        Parameter("height", "int", default=256, min=128, max=512),
        Parameter("noise", "bool", default=True, sampling=Constant(True)),
        Parameter("cover", "bool", default=False),
        Parameter("bowl", "int", default=0, min=0, max=4, sampling=Choice((0, 1), (3.0, 1.0))),
        Parameter("note", "str"),
        Parameter("state", "uuid"),
        Parameter("random_seed", "int", min=0, max=2**31 - 1),
    ),
    constraints=(
        Linear({"start": 1, "end": 1}, max=0.9),
        Conditional({"dish": ("CAKE",)}, "start", max=0.0),
    ),
)
_SIZES = Joint(("width", "height"), ((256, 256), (512, 512)))
KITCHEN = Generator(
    KITCHEN.name,
    KITCHEN.version,
    tuple(
        Parameter(p.name, p.type, p.default, p.min, p.max, sampling=_SIZES)
        if p.name in _SIZES.parameters
        else p
        for p in KITCHEN.parameters
    ),
    KITCHEN.constraints,
)
