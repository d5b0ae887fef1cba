"""Faults planted in runs: after each, the same command makes of what is left what an unbroken run makes.

`plan` says which faults there are, `process` is a run with one in it, `harness` compares, and `python -m tests.faults`
is the long form, whose table is in docs/reliability.md.
"""
