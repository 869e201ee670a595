"""Scenes: bodies, rooms, equipment, cameras, lights."""
