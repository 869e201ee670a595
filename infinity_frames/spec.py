"""Describe a generator; see :mod:`infinity_frames.protocol.spec`."""

from infinity_frames.protocol.spec import *  # noqa: F403 - the public name of the same classes
from infinity_frames.protocol.spec import __all__ as __all__
