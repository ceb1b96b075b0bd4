"""The world to raw records.

In: sockets, files, event logs. Out: `Raw` records handed to a `Sink`. Must stay true: an entrance acknowledges, or
moves its own mark forward, only after the sink has said that the record survives a crash.
"""
