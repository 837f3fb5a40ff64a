"""What a price list would have made of the past: computed as rating would, never charged."""

from pricing.study.figures import Figures, Left, Line, Recovery
from pricing.study.run import study

__all__ = ["Figures", "Left", "Line", "Recovery", "study"]
