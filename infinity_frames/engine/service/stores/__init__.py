"""Where batches, jobs and accounts are stored."""
