"""Programs that the bench starts: each ends with it, however it ends."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from nextbuy.embedded.parent_watch import watch_parent

ROOT: Final = Path(__file__).resolve().parent.parent
_GRACE: Final = 15.0


class ProgramError(Exception):
    """A program that a figure needs ended badly; the message has its last words."""


@asynccontextmanager
async def running(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program for as long as the context lasts; it gets SIGTERM at its end, or when this process is gone."""
    with contextlib.ExitStack() as stack:
        words = stack.enter_context(log.open("ab")) if log else asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *watch_parent(signal.SIGTERM),
            *command,
            cwd=ROOT,
            env=os.environ | dict(environment or {}),
            stdin=asyncio.subprocess.PIPE,
            stdout=words,
            stderr=words,
            # Ctrl-C is for the bench alone, which then ends its programs in order.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def output_of(
    command: Sequence[str | Path], *, said: bytes = b"", environment: Mapping[str, str] | None = None, within: float
) -> str:
    """Run a program to its end and return what it printed.

    Raises:
        ProgramError: it failed, or took longer than `within` seconds.
    """
    async with running(command, environment=environment) as process:
        try:
            printed, words = await asyncio.wait_for(process.communicate(said), within)
        except TimeoutError as error:
            message = f"{Path(command[0]).name} took longer than {within:g} s"
            raise ProgramError(message) from error
    if process.returncode:
        last = (words or printed).decode(errors="replace")[-600:]
        message = f"{' '.join(str(part) for part in command[:3])} failed: {last}"
        raise ProgramError(message)
    return printed.decode()


async def module_output(module: str, job: object, *, within: float) -> Any:  # noqa: ANN401  any JSON
    """Run one of our modules in a process of its own, on a job as JSON, and return the JSON that it prints."""
    printed = await output_of([sys.executable, "-m", module], said=msgspec.json.encode(job), within=within)
    return msgspec.json.decode(printed)
