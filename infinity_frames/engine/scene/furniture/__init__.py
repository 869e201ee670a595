"""Furniture as data: pieces for homes and for public places."""
