"""The reading side; writes nothing but the questions that people keep.

In: a responder's question. Out: events, counts. Must stay true: what a question means is what its `Where` means.
"""
