"""What the stages talk about.

In: nothing. Out: values and protocols. Must stay true: nothing here knows a stage, a file format or a library
(the one exception is RE2, in `regex.py`, because what a regular expression means is part of what `Where` means).
"""
