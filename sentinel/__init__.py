"""Sentinel: the machinery of a SIEM that a small city team can run; what it knows lives in parsers/ and rules/."""

__version__ = "0.1.0"
