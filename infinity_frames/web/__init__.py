"""Pages for browsers: the engine's own, and the explorer of a results frame."""
