"""What people do, written down so that nobody can change it unseen.

In: deeds. Out: entries on disk, and whether they are what they were. Must stay true: what was done stands here, and no
entry can be changed, left out, added or moved without `chain.examined` naming the place; what was cut off at the end is
missed as soon as there is an anchor behind it.
"""
