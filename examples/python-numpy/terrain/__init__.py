"""Heights on a grid: statistics, shading, pictures."""

__version__ = "0.5.0"
