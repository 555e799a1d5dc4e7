"""Starting a W&B run without ever waiting long or asking anyone."""

import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

from overparam.errors import ConfigError
from overparam.loggers.synced import mark_synced
from overparam.runs.state import describe

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline", "disabled"]
DEFAULT_PROJECT = "overparam"
RETRY_SECONDS = (
    300.0  # a server that did not answer is left alone this long, so that a sweep waits once, not per run
)
_unreachable_until = 0.0


def said(value: Any, variable: str, default: Any = None) -> Any:
    """Return what the config says, or if it says nothing the environment, or if that does not either `default`.

    `wandb.init` looks into its environment variables too, but only for what it is not given.
    """
    return value if value is not None else os.environ.get(variable) or default


def own_id(directory: Path, name: str, continues: bool) -> str:
    """Return the id of a directory's W&B run, and record it in `wandb/id` there.

    What starts anew gets an id that no run has ever had, on any server that it may be sent to later: its history must
    not be added to that of another run of the same name.

    Args:
        directory: the directory.
        name: what the id begins with.
        continues: whether the W&B run of the directory is continued, if it has one.
    """
    file = directory / "wandb" / "id"
    if asked_by_agent():
        found = os.environ["WANDB_RUN_ID"]
    elif continues and file.is_file() and (known := re.fullmatch(rb"[\w.-]+", file.read_bytes())):
        return known[0].decode()
    else:
        found = f"{re.sub('[^A-Za-z0-9_.-]', '-', name)[:119]}-{secrets.token_hex(4)}"  # W&B takes 128
    file.parent.mkdir(exist_ok=True)
    file.write_text(found, "utf-8")
    return found


def asked_by_agent() -> bool:
    """Whether a W&B agent started this process, for one point of its sweep and as a run that the agent named."""
    return bool(os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"))


def has_key() -> bool:
    """Whether W&B has credentials on this machine. Asks no one and no server."""
    import wandb

    if os.environ.get("WANDB_API_KEY"):
        return True
    return bool(wandb.login(prompt=False, verify=False))


def start(*, mode: Mode, directory: Path, **arguments: Any) -> Any:
    """Start or continue a W&B run; see `_start`. Where W&B cannot be started at all, the run goes nowhere.

    Args:
        mode: "auto" is what WANDB_MODE says, else online if there is a key and offline if not.
        directory: W&B's files go to `wandb/` in it.
        arguments: see `_start`.
    """
    import wandb

    try:
        return _start(mode=mode, directory=directory, **arguments)
    except Exception as error:
        log.warning("W&B does not start (%s): nothing is logged to it", describe(error))
        with _without_settings():  # one of which may be what W&B refuses
            return wandb.init(mode="disabled")


@contextmanager
def _without_settings() -> Iterator[None]:
    held = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("WANDB_")}
    try:
        yield
    finally:
        os.environ.update(held)


def asked_mode() -> Mode | None:
    """Return the mode that WANDB_MODE asks for, if it asks; raises `ConfigError` if it is none."""
    said = os.environ.get("WANDB_MODE", "").lower()
    found = {"run": "online", "dryrun": "offline"}.get(said, said)  # as W&B once called them
    if found not in ("", "online", "offline", "disabled"):
        raise ConfigError(f"WANDB_MODE must be online, offline or disabled, got {said!r}")
    return cast(Mode, found) if found else None


def _start(
    *,
    mode: Mode,
    directory: Path,
    run_id: str,
    group: str,
    project: str | None = None,
    entity: str | None = None,
    init_timeout: float = 10.0,
    finish_timeout: float = 30.0,
    **arguments: Any,
) -> Any:
    """Start or continue the W&B run with the id `run_id`; offline if the server does not answer in time.

    Args:
        mode: see `start`.
        directory: see `start`.
        run_id: id of the run; a W&B agent's run has the id that the agent chose.
        group: W&B's group, if WANDB_RUN_GROUP does not say another.
        project: W&B's project; None is WANDB_PROJECT, or `DEFAULT_PROJECT`.
        entity: W&B's user or team; None is WANDB_ENTITY, or the account's default.
        init_timeout: seconds to wait for the server before logging offline.
        finish_timeout: seconds to wait at the end for what is still to be sent.
        arguments: what else `wandb.init` takes.
    """
    import wandb

    wandb.setup(wandb.Settings(silent=True))
    if mode == "auto":
        mode = asked_mode() or ("online" if has_key() else "offline")
    settings = wandb.Settings(
        console="off",
        silent=True,
        init_timeout=init_timeout,
        finish_timeout=finish_timeout,
        finish_timeout_raises=True,
        x_transaction_log_flush_interval=1.0,  # what a killed run had logged is on disk
        # Code, packages, machine and output are in the run's directory already: 0.15 s a run saved.
        disable_git=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    # W&B's background process may have been started in another directory.
    arguments |= {"id": run_id, "dir": directory.absolute(), "settings": settings}
    arguments |= {
        "project": said(project, "WANDB_PROJECT", DEFAULT_PROJECT),
        "entity": said(entity, "WANDB_ENTITY"),
        "group": said(None, "WANDB_RUN_GROUP", group),
    }
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
                "W&B refuses (%s): logging offline, `wandb sync --id %s` sends it later", reason, run_id
            )
            # W&B's background process keeps the id of a failed start taken.
            return wandb.init(mode="offline", **{**arguments, "id": f"{run_id}-offline"})
    return wandb.init(mode="disabled" if mode == "disabled" else "offline", **arguments)


def finish(run: Any, exit_code: int) -> None:
    """End a W&B run, and mark it if the server has all of it, so that it is not sent again.

    Sent again, rows that the server has would be there twice.
    """
    import wandb

    files = Path(run.dir).parent
    try:
        run.finish(exit_code=exit_code)
        if run.offline or run.disabled:
            return
        # W&B does not say whether it gave up sending. The run's end is the last that is sent.
        if wandb.Api(timeout=10).run(run.path).state in ("finished", "failed"):
            mark_synced(files / f"run-{run.id}.wandb")
            return
    except Exception as error:
        log.debug("the end of %s: %s", run.path, describe(error))
    log.warning("W&B may lack some of %s: report.py %s --sync sends it", run.name, files.parents[2])


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
