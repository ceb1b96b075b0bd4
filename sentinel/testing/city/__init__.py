"""The model city: what a city of 250,000 people writes, seeded, at any pace and volume."""

from sentinel.testing.city.model import RATE, City

__all__ = ["RATE", "City"]
