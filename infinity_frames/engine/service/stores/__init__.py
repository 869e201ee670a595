"""Stores: databases that hold accounts, batches and jobs."""
