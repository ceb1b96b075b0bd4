"""Raw records to events.

In: spool entries. Out: ECS events, stored. Must stay true: every record becomes at least one event; what cannot be
read becomes one of kind pipeline_error with the original inside.
"""
