"""What people see.

In: values from respond and the alert desk. Out: tables and screens. Must stay true: no text of a log line reaches the
terminal except through `visible`.
"""
