"""The embedded default: a REST server on this machine whose generators really render.

The client starts it as a program and speaks HTTP to it; nothing outside this folder imports it.
"""
