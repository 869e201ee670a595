"""Files, video and progress bars: I/O that client and engine share."""
