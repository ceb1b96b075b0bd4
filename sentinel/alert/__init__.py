"""Findings to alerts, each once.

In: findings. Out: alerts with a state and a history. Must stay true: the same finding twice is the same alert, and
every change says who made it and when.
"""
