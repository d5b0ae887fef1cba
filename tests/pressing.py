"""The product, which sends itself Ctrl-C when a condition on one of Python's audit events holds: CONDITION WORDS..."""

import os
import signal
import sys

from voicegen.cli import main

if __name__ == "__main__":
    holds = eval(f"lambda event, args: {sys.argv[1]}", {"os": os})

    def press(event, args):
        if holds(event, args):
            os.kill(os.getpid(), signal.SIGINT)

    sys.addaudithook(press)
    sys.exit(main(sys.argv[2:]))
