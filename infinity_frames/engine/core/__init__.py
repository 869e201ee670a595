"""Random streams, compiled kernels and job files: used everywhere in the engine."""
