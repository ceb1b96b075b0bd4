"""Attacks on the model city, a module each, with what looks alike and is none beside it.

A module has `ABOUT` and `tell(scene)`; it is found because it is there. What it says is the attack's own lines, each
with the step it belongs to, and those of benign twins; in `sentinel.testing.reported` are stories from public incident
reports, written before there were rules for them.
"""
