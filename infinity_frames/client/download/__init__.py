"""Result archives -> job folders: resumable, atomic, checked."""

from infinity_frames.client.download.batches import download_jobs
from infinity_frames.client.download.folder import BatchFolder, file_digest, recorded_digests

__all__ = ["BatchFolder", "download_jobs", "file_digest", "recorded_digests"]
