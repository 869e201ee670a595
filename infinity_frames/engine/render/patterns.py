"""Procedural patterns."""

PATTERNS = (
    "plain",
    "planks",
    "tiles",
    "rubber",
    "plaster",
    "fabric",
    "skin",
    "carpet",
    "brushed_metal",
    "painting_abstract",
    "stripes",
    "brick",
    "wood",
)
