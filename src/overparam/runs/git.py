"""What git says about a folder; and why it cannot be asked, where it cannot."""

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from overparam.runs.secrets import FILES

# Variables that name a repository in place of the folder's, see `git rev-parse --local-env-vars`.
OF_A_REPOSITORY = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
}


@dataclass(frozen=True)
class Answer:
    """What git answered, in bytes: paths and diffs need not be text. Or why there is no answer, in one line."""

    output: bytes = b""
    problem: str | None = None

    @property
    def text(self) -> str:
        """The output as text; bytes that are none are shown by their codes."""
        return self.output.decode(errors="backslashreplace").strip()


@cache
def ask(folder: Path, *arguments: str) -> Answer:
    """Ask git, once in a process, about the folder's own repository, also where a hook of another has called."""
    command = ["git", "-C", str(folder), *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}
    try:
        done = subprocess.run(command, capture_output=True, env={**environment, "LC_ALL": "C"})
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        return Answer(
            problem="git is not installed" if is_missing else f"git cannot be started: {error.strerror}"
        )
    if done.returncode:
        said = done.stderr.decode(errors="backslashreplace").strip().splitlines() or ["it says nothing"]
        return Answer(problem=said[0].removeprefix("fatal: "))
    return Answer(done.stdout)


def top(folder: Path) -> str | None:
    """Return the top folder of the repository that a folder is in."""
    return ask(folder, "rev-parse", "--show-toplevel").text or None


def commit(folder: Path) -> Answer:
    """Return the commit that is checked out."""
    if (
        not ask(folder, "rev-parse", "--git-dir").problem
        and ask(folder, "rev-parse", "-q", "--verify", "HEAD").problem
    ):
        return Answer(problem="the repository has no commit yet")
    return ask(folder, "rev-parse", "HEAD")


def changes(folder: Path) -> bytes:
    """Return the diff of tracked files against the commit, without files that by their names hold secrets."""
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-relative")
    return ask(folder, "diff", *options, "HEAD", "--", ":(top)", *FILES).output


def tracked(folder: Path) -> frozenset[str]:
    """Return the paths of all tracked files of a folder's repository, below its top."""
    where = top(folder)
    output = ask(Path(where), "ls-files", "-z").output if where else b""
    return frozenset(os.fsdecode(name) for name in output.split(b"\0") if name)
