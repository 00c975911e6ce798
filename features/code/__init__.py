"""What code means, told so that a digest can be taken of it: the same while the meaning is, another when it changes."""

from features.code.meaning import describe_code, root_package

__all__ = ["describe_code", "root_package"]
