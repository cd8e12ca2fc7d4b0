"""Commands in processes of their own, forked from one that has read the program already: reading it takes a second."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from aggregator.__main__ import main

_FORKING = get_context("forkserver")
_FORKING.set_forkserver_preload(["aggregator.__main__"])


def run_forked(
    words: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `aggregator` with these words to its end; raises TimeoutError when it does not come to one."""
    with TemporaryDirectory() as name:
        paths = [Path(name, stream) for stream in ("out", "err")]
        process = _FORKING.Process(target=_command, args=(list(words), dict(env), str(cwd), *map(str, paths)))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"{words} took longer than {timeout} s\n{paths[1].read_text()}")
        code = process.exitcode
        assert code is not None
        process.close()
        said, complained = (path.read_text("utf-8") for path in paths)
    return subprocess.CompletedProcess(words, code, said, complained)


def _command(words: list[str], env: dict[str, str], cwd: str, out: str, err: str) -> None:
    """What the child does: it takes the streams, the folder and the surroundings that the command is to have."""
    for descriptor, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["aggregator", *words]
    main()
