"""Compare the sites of one kind with each other, a day at a time.

In: stored events of a day, by counting. Out: a ranking of what one site does and hardly any other. Must stay true:
what most sites do is never found, whoever began with it; each day is judged once.
"""
