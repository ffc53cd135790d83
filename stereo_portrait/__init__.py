"""Photographs with a fast lens's depth of field, from parallax."""

__version__ = "0.1.0"
