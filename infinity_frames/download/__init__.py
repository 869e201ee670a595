"""Result archives -> job folders: resumable, atomic, checked."""

from infinity_frames.download.batches import download_jobs
from infinity_frames.download.folder import BatchFolder

__all__ = ["BatchFolder", "download_jobs"]
