"""Durable, ordered, bounded: the border between the network's pace and ours.

In: raw records from any number of processes. Out: the same records in one order, until they are committed. Must stay
true: what was acknowledged survives kill -9 and a power cut, and damage never stops the flow.

A spool is a folder:

    00000000000000000001.seg   records, appended; named after the first one's sequence (record.py)
    head                       where the durable end is, for every process; found anew if lost (head.py, tail.py)
    checkpoint                 how far the records have been dealt with; may be lost (checkpoint.py)
    spool.lock                 held while the folder is changed (tail.py)
    ballast                    room kept for the checkpoint on a full disk
    quarantine/                damaged bytes, named after where they lay (quarantine.py)
"""
