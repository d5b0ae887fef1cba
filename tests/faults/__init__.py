"""Faults planted in runs: after each, the same command makes of what is left what an unbroken run makes.

`plan` says which faults there are; `process` is a run with one in it, `power` what the disk of one that loses power
keeps, `chat_server` a server that answers wrongly. `harness` plants one, `invariants` says what must hold then, and
`defects` are what the harness must not let pass. `python -m tests.faults` is the long form, whose table is in
docs/reliability.md.
"""
