"""Run other programs, which stop with this process even if it is killed."""

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
    """A program that a figure needs failed; the message contains the end of its output."""


@asynccontextmanager
async def running(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program while the context lasts; it receives SIGTERM then, or when this process dies."""
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *watch_parent(signal.SIGTERM),
            *command,
            cwd=ROOT,
            env=os.environ | dict(environment or {}),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            # So that Ctrl-C reaches only the bench, which then stops its programs in order.
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
    command: Sequence[str | Path], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None, timeout: float
) -> str:
    """Run a program and return its output.

    Raises:
        ProgramError: it failed, or took longer than `timeout` seconds.
    """
    async with running(command, environment=environment) as process:
        try:
            printed, output = await asyncio.wait_for(process.communicate(stdin), timeout)
        except TimeoutError as error:
            message = f"{Path(command[0]).name} took longer than {timeout:g} s"
            raise ProgramError(message) from error
    if process.returncode:
        last = (output or printed).decode(errors="replace")[-600:]
        message = f"{' '.join(str(part) for part in command[:3])} failed: {last}"
        raise ProgramError(message)
    return printed.decode()


async def module_output(module: str, job: object, *, timeout: float) -> Any:  # noqa: ANN401  any JSON
    """Run a module of the bench in another process on a job as JSON, and return the JSON that it prints."""
    printed = await output_of([sys.executable, "-m", module], stdin=msgspec.json.encode(job), timeout=timeout)
    return msgspec.json.decode(printed)
