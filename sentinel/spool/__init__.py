"""Durable, ordered, bounded: the border between the network's pace and ours.

In: raw records from any number of processes. Out: the same records in one order, until they are committed. Must stay
true: what was acknowledged survives kill -9 and a power cut, and damage never stops the flow.
"""
