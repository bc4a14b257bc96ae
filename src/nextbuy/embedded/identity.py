"""Which user an engine runs as, and the way to its files for that user.

PostgreSQL refuses to run as root. Under root, engines run as `nobody`, or as the owner of the data where it already has
another one. Nobody else's rights grow but by this: a folder on the way that strangers may not even pass through (`chmod
o+x`: pass, not read).
"""

import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nextbuy.embedded.errors import EngineError, unusable

PASS = 0o001
READ_AND_PASS = 0o005


@dataclass(frozen=True)
class Identity:
    """A user of the system: the one that an engine runs as."""

    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        """Whether it is the user of this process, so that nothing needs to be handed over."""
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        """Gives a file or an empty folder to this user."""
        if not self.is_us:
            os.chown(path, self.uid, self.gid)


def identity_for(folder: Path) -> Identity:
    """The user to run the engine as whose data is in this folder.

    Args:
        folder: the engine's data, existing or not.

    Raises:
        EngineError: the data belongs to a user that we cannot become.
    """
    owner = folder.stat() if folder.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise EngineError(
                f"{folder} belongs to the user {_name(owner.st_uid)}: start NextBuy as root as before, "
                f"or give the data to you with "
                f"`sudo chown -R $(id -u):$(id -g) {folder.parent}`."
            )
        return Identity(os.geteuid(), os.getegid())
    if owner and owner.st_uid != 0:
        return Identity(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Identity(nobody.pw_uid, nobody.pw_gid)


def open_the_way(paths: Iterable[Path], identity: Identity) -> None:
    """Lets this user pass through the folders above these paths.

    Those that it could not pass get `o+x`, and nothing more.

    Args:
        paths: what the engine must reach.
        identity: the user that the engine runs as.

    Raises:
        EngineError: a folder on the way may not be changed.
    """
    if identity.is_us:
        return
    for folder in {parent for path in paths for parent in path.resolve().parents}:
        if folder.stat().st_uid != identity.uid:
            _allow(folder, PASS)


def open_programs(folders: Iterable[Path], identity: Identity) -> None:
    """Lets this user run programs of ours, where a strict umask had installed them for root alone.

    Args:
        folders: where the wheel put the engine and its libraries.
        identity: the user that the engine runs as.

    Raises:
        EngineError: a file there may not be changed.
    """
    if identity.is_us:
        return
    for folder in folders:
        if folder.stat().st_mode & READ_AND_PASS == READ_AND_PASS:
            continue
        # The folder itself comes last: as long as it is closed, the work is not done.
        for path in [*folder.rglob("*"), folder]:
            if not path.is_symlink():
                _allow(path, READ_AND_PASS if path.is_dir() or path.stat().st_mode & 0o100 else 0o004)


def _allow(path: Path, rights: int) -> None:
    mode = path.stat().st_mode
    if mode & rights != rights:
        try:
            path.chmod(mode | rights)
        except OSError as error:
            raise unusable(path, error) from error


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
