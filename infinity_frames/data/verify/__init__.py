"""Compare labels with masks, camera and video."""
