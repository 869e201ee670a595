"""The infinity-frames command."""
