"""Packets to raw records: the packet sensor is a collector.

In: capture files. Out: flow, DNS and TLS records as `Raw`. Must stay true: no payload and no password leaves here.
"""
