"""Make the template yours: python scripts/rename_template.py mylab.

Renames the package, its commands, plugins, environment variables, W&B project and docs, in every file that git tracks
but LICENSE, whose notice must stay. Identities of runs stay as they are. Needs nothing but Python and git.
"""

import argparse
import importlib.util
import keyword
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = "LICENSE"


def main() -> int:
    """Rename what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="the package's new name, a lower-case identifier such as my_lab")
    parser.add_argument(
        "--force", action="store_true", help="also if there are changes that are not committed"
    )
    arguments = parser.parse_args()
    old, new = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"], arguments.name
    try:
        check_name(old, new)
        if not arguments.force and git("status", "--porcelain"):
            raise ValueError("there are changes that are not committed: commit them, or say --force")
        for source, target in moves(tracked(), old, new):
            git("mv", source, target)
        for path in tracked():
            rewrite(ROOT / path, old, new)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rest = "make test" if format_code() else "make format test"
    print(f"{old} is {new} now. Next: {rest}, and git commit -am 'Rename to {new}'")
    return 0


def check_name(old: str, new: str) -> None:
    """Raise ValueError if the package cannot be called `new`."""
    if not re.fullmatch("[a-z][a-z0-9_]*", new) or keyword.iskeyword(new):
        raise ValueError(f"{new} cannot be a package's name: take a lower-case identifier such as my_lab")
    if new == old:
        raise ValueError(f"the package is called {new} already")
    if importlib.util.find_spec(new) is not None or (ROOT / new).exists():
        raise ValueError(f"there is a module or a folder called {new} already: take another name")


def git(*arguments: str) -> str:
    """Return what git prints; raise ValueError with what it complains about."""
    run = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    if run.returncode:
        raise ValueError(f"git {arguments[0]}: {' '.join(run.stderr.split())}")
    return run.stdout


def tracked() -> list[str]:
    """Return the paths of the files that are to be renamed, relative to the root."""
    return [path for path in git("ls-files", "-z").split("\0") if path not in ("", KEPT)]


def renamed(text: str, old: str, new: str) -> str:
    """Replace the name, also as MY_LAB and at the beginning of a class's, but not as a part of another word.

    Example:
        >>> renamed("OverparamSweeper, for overparameterized networks, of overparam_sweeper", "overparam", "my_lab")
        'MyLabSweeper, for overparameterized networks, of my_lab_sweeper'
    """
    text = re.sub(rf"(?<![A-Za-z0-9]){old}(?![a-z0-9])", new, text)
    text = re.sub(rf"(?<![A-Za-z0-9]){old.upper()}(?![A-Z0-9])", new.upper(), text)
    return re.sub(rf"(?<![A-Za-z0-9]){in_classes(old)}(?![a-z0-9])", in_classes(new), text)


def in_classes(name: str) -> str:
    """Return the name as classes have it: MyLab."""
    return name.title().replace("_", "")


def moves(paths: list[str], old: str, new: str) -> list[tuple[str, str]]:
    """Return what to call the files and folders that have the name in theirs, from the innermost to the outermost."""
    found = set()
    for path in paths:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            if (target := renamed(part, old, new)) != part:
                found.add((depth, "/".join(parts[: depth + 1]), "/".join([*parts[:depth], target])))
    return [(source, target) for _, source, target in sorted(found, reverse=True)]


def rewrite(path: Path, old: str, new: str) -> None:
    """Replace the name in a file, if it is a text."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return
    if (replaced := renamed(text, old, new)) != text:
        path.write_bytes(replaced.encode())


def format_code() -> bool:
    """Let ruff sort and break lines anew, for the name is of another length; return whether there is ruff."""
    for folder in (ROOT / ".venv" / "bin", Path(sys.executable).parent):
        if (ruff := folder / "ruff").exists():
            subprocess.run([ruff, "format", "--quiet", ROOT], check=True)
            subprocess.run(
                [ruff, "check", "--fix", "--quiet", ROOT]
            )  # prints what is left, such as long comments
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
