"""The user that an engine runs as, and that user's access to the engine's files.

PostgreSQL refuses to run as root. Under root, engines run as the owner of existing data, or else as an unprivileged
user. To let that user reach the data and the programs, parent folders get `o+x` (traverse, not read) and the programs
`o+rx`.
"""

import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nextbuy.embedded.errors import EngineError, cannot_use

TRAVERSE = 0o001
READ_AND_TRAVERSE = 0o005


@dataclass(frozen=True)
class Identity:
    """A user and group of the system."""

    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        """Whether this process runs as it."""
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        """Change the owner of a file or an empty folder to this user."""
        if not self.is_us:
            os.chown(path, self.uid, self.gid)


def identity_for(folder: Path) -> Identity:
    """Return the user to run an engine as; `folder` is the engine's data, existing or not."""
    owner = folder.stat() if folder.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise EngineError(
                f"{folder} belongs to the user {_name(owner.st_uid)}. Start NextBuy as root, "
                f"or take over the data with `sudo chown -R $(id -u):$(id -g) {folder.parent}`."
            )
        return Identity(os.geteuid(), os.getegid())
    if owner and owner.st_uid != 0:
        return Identity(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Identity(nobody.pw_uid, nobody.pw_gid)


def allow_traversal(paths: Iterable[Path], identity: Identity) -> None:
    """Let a user traverse the parent folders of these paths."""
    if identity.is_us:
        return
    for folder in {parent for path in paths for parent in path.resolve().parents}:
        if folder.stat().st_uid != identity.uid:
            _allow(folder, TRAVERSE)


def allow_execution(folders: Iterable[Path], identity: Identity) -> None:
    """Let a user run the engine's programs, which a strict umask may have installed for root only."""
    if identity.is_us:
        return
    for folder in folders:
        if folder.stat().st_mode & READ_AND_TRAVERSE == READ_AND_TRAVERSE:
            continue
        # The folder itself comes last: its mode marks the work as complete.
        for path in [*folder.rglob("*"), folder]:
            if not path.is_symlink():
                _allow(path, READ_AND_TRAVERSE if path.is_dir() or path.stat().st_mode & 0o100 else 0o004)


def _allow(path: Path, rights: int) -> None:
    mode = path.stat().st_mode
    if mode & rights != rights:
        try:
            path.chmod(mode | rights)
        except OSError as error:
            raise cannot_use(path, error) from error


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
