"""Archives: places that keep the finished zip of every job."""
