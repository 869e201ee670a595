"""Plots, previews, overlays and videos; frames in."""
