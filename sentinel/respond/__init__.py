"""The reading side; writes nothing.

In: a responder's question. Out: events, counts. Must stay true: what a question means is what its `Where` means.
"""
