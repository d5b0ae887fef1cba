"""`python -m voicegen`, and the commands that an installation brings."""

import signal
import sys
from typing import NoReturn

from voicegen.cli import main, voice_chat_cli


def voicegen() -> NoReturn:
    """The command `voicegen`."""
    end(main())


def voice_chat() -> NoReturn:
    """The command `voice-chat-cli`."""
    end(voice_chat_cli())


def end(exit_code: int) -> NoReturn:
    """Ends the process. All is said and safe by now, and what Python says of a Ctrl-C at its own end is a traceback."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    sys.exit(exit_code)


if __name__ == "__main__":
    voicegen()
