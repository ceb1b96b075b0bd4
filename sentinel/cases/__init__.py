"""Cases: what a team knows and does about one thing.

In: alerts by their ids, events, what people say. Out: cases, and exports that prove themselves. Must stay true: what
was taken into a case stays as it was, whatever becomes of the store.
"""
