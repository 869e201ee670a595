"""Rules, defaults, sampling and sweeps over frames of jobs. Frame in, frame out, no I/O."""
