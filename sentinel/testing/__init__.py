"""Shipped test harness: a city tests its own packs and rules with the tools we test ours with."""
