"""Old name of ``infinity_frames.protocol.schemas``; it will be removed in the next release."""

from infinity_frames.protocol.deprecation import renamed_module

renamed_module(__name__, "infinity_frames.protocol.schemas")
