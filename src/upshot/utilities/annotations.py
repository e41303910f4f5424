"""Marks on arguments, under the name by which programs import them."""

from upshot.annotations import BaseAnnotation, allow_failure, quote, unmapped

__all__ = ["BaseAnnotation", "allow_failure", "quote", "unmapped"]
