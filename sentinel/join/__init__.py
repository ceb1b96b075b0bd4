"""Stored events that are parts of one thing → one raw record of it, back into the spool.

In: events as they arrive. Out: a record whose body is the bodies of its parts; the pack that read them makes one event
of it. So a joined event is replayed and parsed again like any other. What must stay true: a part is in at most one
whole, every whole ends (by its last part, in silence, or at a bound), and none is lost or doubled by a crash.
"""
