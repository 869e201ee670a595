"""The errors that this package raises; see :mod:`infinity_frames.protocol.errors`."""

from infinity_frames.protocol.errors import *  # noqa: F403 - the public name of the same classes
from infinity_frames.protocol.errors import __all__ as __all__
