"""Packets to raw records: the packet sensor is a collector.

In: capture files. Out: flow, DNS, TLS and finding records as `Raw`. Must stay true: no payload and no password leaves
here, every packet of a capture is counted, and what could not be read is said.
"""
