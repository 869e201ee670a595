"""Runners: systems that execute render tasks."""
