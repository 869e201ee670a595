"""Result archives -> job folders: resumable, atomic, checked."""

from infinity_frames.download.batches import download_jobs

__all__ = ["download_jobs"]
