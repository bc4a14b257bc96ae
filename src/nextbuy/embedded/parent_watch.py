"""Becomes another program that stops when whoever started it is gone.

Run as a script: `leash.py PARENT SIGNAL UID GID PROGRAM ARGUMENT…`. The work of a `preexec_fn`, done after the exec
instead, because a process with threads must not run Python between fork and exec. UID and GID are "-" to stay who we
are.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def watch_parent(death_signal: signal.Signals, user: tuple[str, str] = ("-", "-")) -> list[str]:
    """What goes before a command so that it gets `death_signal` when we are gone."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), *user]


def main() -> None:
    """Drops root, asks the kernel for the signal, and becomes the program."""
    parent, last_signal, uid, gid, *command = sys.argv[1:]
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(last_signal))
        # The parent may have gone before the kernel was asked, and then no signal comes.
        if os.getppid() != int(parent):
            sys.exit(1)
    # What a server's own children inherit is the system's default, not what this interpreter set.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - becoming the program is all this is for


if __name__ == "__main__":
    main()
