"""Passwords and keys, kept out of all that is recorded: configs, summaries, commands, diffs, failures, and so W&B.

A secret is the value of an environment variable whose name says so (WANDB_API_KEY, DB_PASSWORD), what stands under
such a name in a config, a command or a diff, and the password in a URL. No one can tell a secret under another name.
"""

import os
import re
from typing import Any

HIDDEN = "***"
LEAST = 6  # characters of a secret in the environment; a shorter one would be found by chance

_WORDS = r"(?:api_?key|access_?key|private_?key|secret(?:_?key)?|token|passw(?:or)?d|passphrase|credentials?)"
_CONFIG_KEY = re.compile(rf"(?:^|[._]){_WORDS}$", re.IGNORECASE)
_VARIABLE = re.compile(
    r"(?:^|_)(?:\w*KEYS?|TOKENS?|SECRETS?|PASS|PASSW(?:OR)?D|PASSPHRASE|CREDENTIALS?)(?:_|$)"
)
_URL = re.compile(r"(://)[^/\s@'\"]+@")
# ... = "value", or something longer without quotes that is no name of a variable.
_ASSIGNED = re.compile(
    rf"((?:^|[^a-z0-9]){_WORDS}['\"]?\s*[:=]\s*)(?:(['\"])(?:(?!\2).)+\2|(?=\S*\d)[\w./+=-]{{12,}})",
    re.IGNORECASE | re.MULTILINE,
)
_OVERRIDE = re.compile(rf"^([^=]*{_WORDS}=).+", re.IGNORECASE | re.DOTALL)

_FILES = (
    *("*.env", ".env*", ".netrc", ".pypirc", "*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_ed25519*"),
    *("*credential*", "*secret*.[jty]*", "*secret*.ini"),
)
FILES = [f":(top,exclude,icase,glob)**/{name}" for name in _FILES]  # git's pathspecs: a diff leaves them out


def without_secrets(value: Any) -> Any:
    """Return a value, such as a resolved config, in which secrets are hidden.

    One that stands in the environment becomes a reference to it, `${oc.env:DB_PASSWORD}`, so that a config that was
    written down is whole again where the variable is set; any other becomes `HIDDEN`.
    """
    if isinstance(value, dict):
        return {
            key: HIDDEN if _is_secret(key, found) else found
            for key, found in ((key, without_secrets(child)) for key, child in value.items())
        }
    if isinstance(value, list | tuple):
        return [without_secrets(child) for child in value]
    return _URL.sub(rf"\1{HIDDEN}@", from_environment(value)) if isinstance(value, str) else value


def from_environment(value: Any) -> Any:
    """Return a value in which the environment's secrets are references to it, and all else is as it was."""
    if isinstance(value, dict):
        return {key: from_environment(child) for key, child in value.items()}
    if isinstance(value, list):
        return [from_environment(child) for child in value]
    if not isinstance(value, str):
        return value
    for name, secret in _environment():
        value = value.replace(secret, f"${{oc.env:{name}}}")
    return value


def without_secrets_in_command(words: list[str]) -> list[str]:
    """Return a command line with secrets hidden, those that are given as `key=value` among them."""
    return [without_secrets_in_text(_OVERRIDE.sub(rf"\1{HIDDEN}", word)) for word in words]


def without_secrets_in_text(text: str) -> str:
    """Return a text, such as a diff or a traceback, with secrets hidden."""
    for _, secret in _environment():
        text = text.replace(secret, HIDDEN)
    return _ASSIGNED.sub(rf"\g<1>{HIDDEN}", _URL.sub(rf"\1{HIDDEN}@", text))


def _is_secret(key: Any, value: Any) -> bool:
    is_open = isinstance(value, str) and value != "" and "${oc.env:" not in value
    return is_open and _CONFIG_KEY.search(str(key)) is not None


def _environment() -> list[tuple[str, str]]:
    """Return names and values of the variables that hold secrets, the longest first: one may begin with another."""
    secrets = [name for name in os.environ if _VARIABLE.search(name.upper())]
    found = [(name, os.environ[name]) for name in secrets if len(os.environ[name]) >= LEAST]
    return sorted(found, key=lambda item: -len(item[1]))
