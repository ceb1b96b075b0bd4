"""Attacks told after public incident reports (each module names its own), as `sentinel.testing.stories` are told.

They were written before anybody had written the city's rules, so what is found of them is not found because story and
rule came from the same hand.
"""
