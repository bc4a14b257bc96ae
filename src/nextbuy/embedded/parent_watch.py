"""Run a program that stops when the process that started it ends.

Run as a script: `parent_watch.py PARENT SIGNAL UID GID PROGRAM ARGUMENT…`. It does the work of a `preexec_fn` after the
exec, because a process with threads must not run Python between fork and exec. UID and GID are "-" for no change.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def watch_parent(death_signal: signal.Signals, user: tuple[str, str] = ("-", "-")) -> list[str]:
    """Return arguments to put before a command; it then gets `death_signal` when this process ends (on Linux)."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), *user]


def main() -> None:
    """Change the user, request the signal from the kernel, and execute the program."""
    parent, death_signal, uid, gid, *command = sys.argv[1:]
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
        # If the parent has already ended, no signal comes.
        if os.getppid() != int(parent):
            sys.exit(1)
    # A server's own children inherit the default, not the setting of this interpreter.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606  the purpose of this script


if __name__ == "__main__":
    main()
