"""A lab for overparameterized networks.

In a notebook, or any Python:

    >>> import overparam as op
    >>> cfg = op.compose(["model.width=8", "data.n_train=60", "trainer.max_steps=20", "logger=local"])
    >>> summary = op.train(cfg)  # or op.train([...]), the same list
    >>> summary["params"], summary["n_train"]
    (610, 60)
    >>> run = op.load(f"logs/runs/{summary['identity']}")
    >>> run.predict(run.test.x).shape
    torch.Size([597, 10])
    >>> runs = op.collect("logs/runs")  # a polars frame, a row a run; runs.to_pandas() is one of pandas
    >>> runs.select("model.width", "params").rows()
    [(8, 610)]
    >>> op.collect_steps("logs/runs")["step"].max()  # a row an evaluation
    20
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overparam.analysis.collect import collect, collect_steps
    from overparam.api import compose, load, train

__all__ = ["collect", "collect_steps", "compose", "load", "train"]

_COLLECTING = ("collect", "collect_steps")


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for, so that `import overparam` costs nothing (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(
        import_module("overparam.analysis.collect" if name in _COLLECTING else "overparam.api"), name
    )


def __dir__() -> list[str]:
    return [*globals(), *__all__]
