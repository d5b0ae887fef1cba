"""`python -m voicegen`."""

import sys

from voicegen.cli import main

if __name__ == "__main__":
    sys.exit(main())
