"""Starting a W&B run without ever waiting long or asking anyone."""

import logging
import os
import time
from pathlib import Path
from typing import Any, Literal, cast

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline", "disabled"]
RETRY_SECONDS = (
    300.0  # a server that did not answer is left alone this long, so that a sweep waits once, not per run
)
_unreachable_until = 0.0


def has_key() -> bool:
    """Whether W&B has credentials on this machine. Asks no one and no server."""
    import wandb

    if os.environ.get("WANDB_API_KEY"):
        return True
    return bool(wandb.login(prompt=False, verify=False))


def start(
    *,
    mode: Mode,
    directory: Path,
    identity: str,
    init_timeout: float = 10.0,
    finish_timeout: float = 30.0,
    **arguments: Any,
) -> Any:
    """Start or continue the W&B run with the id `identity`; offline if the server does not answer in time.

    Args:
        mode: "auto" is what WANDB_MODE says, else online if there is a key and offline if not.
        directory: W&B's files go to `wandb/` in it.
        identity: id and name of the run.
        init_timeout: seconds to wait for the server before logging offline.
        finish_timeout: seconds to wait at the end for what is still to be sent.
        arguments: what else `wandb.init` takes.
    """
    import wandb

    wandb.setup(wandb.Settings(silent=True))
    if mode == "auto":
        mode = cast(Mode, os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline"))
    settings = wandb.Settings(
        console="off",
        silent=True,
        init_timeout=init_timeout,
        finish_timeout=finish_timeout,
        x_transaction_log_flush_interval=1.0,  # what a killed run had logged is on disk
        # Code, packages, machine and output are in the run's directory already: 0.15 s a run saved.
        disable_git=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    # W&B's background process may have been started in another directory.
    arguments |= {"id": identity, "name": identity, "dir": directory.absolute(), "settings": settings}
    # "create_new": with several runs in one process each has its own.
    arguments |= {"resume": "allow", "reinit": "create_new"}
    if mode == "online" and not _answers(init_timeout):
        mode = "offline"
    if mode == "online":
        try:
            return wandb.init(mode="online", **arguments)
        except wandb.Error as error:
            reason = str(error).splitlines()[0]
            log.warning(
                "W&B refuses (%s): logging offline, `wandb sync --id %s` sends it later", reason, identity
            )
            # W&B's background process keeps the id of a failed start taken.
            return wandb.init(mode="offline", **{**arguments, "id": f"{identity}-offline"})
    return wandb.init(mode="disabled" if mode == "disabled" else "offline", **arguments)


def _answers(timeout: float) -> bool:
    """Whether the W&B server answers in `timeout` seconds; after a no, not asked again for RETRY_SECONDS.

    `wandb.init` would find out too, but only once it holds the run's id.
    """
    import requests
    import wandb

    global _unreachable_until
    if time.monotonic() < _unreachable_until:
        return False
    url = wandb.setup().settings.base_url
    try:
        with requests.get(url, timeout=timeout, stream=True) as response:
            reason = f"status {response.status_code}"
            if response.status_code < 500 and response.status_code != 429:
                return True
    except requests.RequestException as error:
        reason = type(error).__name__
    _unreachable_until = time.monotonic() + RETRY_SECONDS
    log.warning("W&B at %s does not answer (%s): logging offline, `wandb sync` sends it later", url, reason)
    return False
