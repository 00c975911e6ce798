"""A number with its unit, as people read it."""

from __future__ import annotations


def describe_quantity(value: float, unit: str) -> str:
    """Such as ``3 d 4 h``, ``12.5 %``, ``512 MiB`` or ``0.482``; ``unit`` is seconds, share, bytes or another word."""
    if unit == "seconds":
        return _describe_seconds(value)
    if unit == "bytes":
        return f"{value / 2**20:,.0f} MiB"
    if unit == "share":
        return f"{100 * value:.3g} %"
    return f"{value:.4g} {unit}".rstrip()


def _describe_seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return describe_age(seconds)


def describe_age(seconds: float) -> str:
    """Such as ``3 d 4 h`` or ``12 min``."""
    minutes = int(seconds // 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
