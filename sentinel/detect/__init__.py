"""Rules to findings.

In: newly arrived events and Sigma rules. Out: findings. Must stay true: every stored event is judged by every rule
that is on, once, however late it comes and whenever we are restarted; a rule is understood wholly or refused.
"""
