"""What was read or judged wrongly, put right.

In: stored events, packs and rules as they are today. Out: amended events, late alerts, a report. Must stay true: only
what is affected is touched, what it was before is kept, and doing it again changes nothing.
"""
