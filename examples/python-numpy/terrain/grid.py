"""Calculations."""

import numpy as np


def read(source):
    """Reads lines of heights; lines that start with a letter are a header."""
    text = source.read() if hasattr(source, "read") else open(source, encoding="utf-8").read()
    rows = [line.split() for line in text.splitlines() if line.strip() and not line[0].isalpha()]
    if not rows or len({len(row) for row in rows}) != 1:
        raise ValueError("rows of a grid have the same length")
    return np.array(rows, dtype=float)


def write(output, terrain):
    np.savetxt(output, terrain, fmt="%.2f")


def statistics(terrain):
    slope_y, slope_x = np.gradient(terrain)
    steepness = np.hypot(slope_x, slope_y)
    _, singular, _ = np.linalg.svd(terrain - terrain.mean())
    return {
        "lowest": terrain.min(),
        "highest": terrain.max(),
        "mean": terrain.mean(),
        "median": np.median(terrain),
        "steepest": steepness.max(),
        "roughness": singular[1:].sum() / singular.sum() if singular.sum() else 0.0,
    }


def shade(terrain, azimuth):
    slope_y, slope_x = np.gradient(terrain)
    slope = np.pi / 2 - np.arctan(np.hypot(slope_x, slope_y))
    aspect = np.arctan2(-slope_x, slope_y)
    sun = np.radians(360 - azimuth + 90)
    light = np.sin(np.radians(45)) * np.sin(slope) + np.cos(np.radians(45)) * np.cos(slope) * np.cos(sun - np.pi / 2 - aspect)
    return (255 * (light + 1) / 2).astype(np.uint8)


def smooth(terrain, keep):
    waves = np.fft.rfft2(terrain)
    rows = np.abs(np.fft.fftfreq(terrain.shape[0]))[:, None]
    columns = np.fft.rfftfreq(terrain.shape[1])[None, :]
    waves[np.hypot(rows, columns) > keep] = 0
    return np.fft.irfft2(waves, s=terrain.shape)
