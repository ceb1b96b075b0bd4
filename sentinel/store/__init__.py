"""Keep and find.

In: events. Out: the events for which a `Where` holds. Must stay true: every store answers as `holds` would, and an
event appended twice is stored once.
"""
