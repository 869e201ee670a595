"""Skeleton, exercises, motion and body of the people in a scene."""
