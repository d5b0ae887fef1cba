"""What each Python imports first that has this folder in its path: workers, and actors of Ray, have their fault."""

import sys

if any(name in word for word in sys.orig_argv for name in ("voicegen.executors.processes", "default_worker.py")):
    from tests.faults.workers import have_fault

    have_fault()
