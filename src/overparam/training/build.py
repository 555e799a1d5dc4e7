"""From a config to the parts of a run; nothing of it is allocated or written yet."""

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder, WeightAveraging
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn

from overparam import compat
from overparam.data.module import PoolDataModule
from overparam.data.streaming import StreamedData
from overparam.errors import ConfigError
from overparam.loggers.wandb import wandb_run
from overparam.loggers.wandb_start import asked_mode
from overparam.measures.subject import Measure, MetricMeasure
from overparam.models.parameters import count_parameters, width_for_params, without_memory
from overparam.models.pretrained import load_pretrained
from overparam.randomness import derive_seed, drawing
from overparam.runs.choices import record_target_params
from overparam.runs.continued import find_state
from overparam.runs.identity import run_directory
from overparam.runs.names import folder_name
from overparam.runs.summary import Summary
from overparam.training import checks, objective
from overparam.training.best_weights import BestWeights
from overparam.training.continued import state_digest
from overparam.training.evaluation import Evaluation
from overparam.training.instantiate import attempt, build, check
from overparam.training.knobs import target, typed, typed_config
from overparam.training.module import SupervisedModule, make_optimizer
from overparam.training.objective import Loss
from overparam.training.weights import check_weights, with_hashes

log = logging.getLogger(__name__)

MOST_PARAMS = 10**12  # that may be wished for; far beyond, a network's size overflows

# Lightning raises its own level to INFO when imported, and then says four things a run that no one needs, and
# of a distributed run two more for each process.
for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.WARNING)

LOSSES = {
    "cross_entropy": objective.cross_entropy,
    "mse": objective.mse,
}  # as run directories once named them


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    data: PoolDataModule | StreamedData
    loss: Loss  # that of the evaluation, and of the lab's own step
    optimizer: Callable[..., torch.optim.Optimizer] | None  # None if the module makes its own
    scheduler: Callable[..., Any] | None
    build_optimizer: Callable[[nn.Module], torch.optim.Optimizer]  # of such a network
    build_net: Callable[[], nn.Module]  # the network; of a module that has none of its own, the module
    params: int  # P, trainable parameters
    build_module: Callable[[], Any]  # a LightningModule; draws the initial weights
    build_callbacks: Callable[[], list[L.Callback]]  # the config's own
    measures: dict[str, dict[str, Measure]]  # by when they are taken ("end", "evaluations"), by name

    def require_data(self) -> None:
        """Check that the dataset's files exist, and fetch them if that is asked for; raises `ConfigError`."""
        attempt("data", self.data.prepare_data)

    def check_processes(self, trainer: L.Trainer, sync_batchnorm: bool) -> None:
        """Raise `ConfigError` if the trainer's processes cannot share a batch evenly, or its statistics as asked."""
        attempt("data", lambda: self.data.check_processes(trainer.num_devices * trainer.num_nodes))
        checks.check_batch_norm(trainer, without_memory(self.build_net), sync_batchnorm)


def network_of(module: Any) -> nn.Module:
    """Return what of a LightningModule is the network: its `net`, or all of it."""
    net = getattr(module, "net", None)
    return net if isinstance(net, nn.Module) else module


def resolve(cfg: DictConfig) -> DictConfig:
    """Return the config with the values that depend on more than the config filled in.

    These are: what `few_samples` limits; `model.width`, if `model.target_params` is given; the files of weights that
    knobs such as `init_from` name, and the state that `continue_from` names, with their hashes; null for sections that
    the module's constructor does not take. Everything that names, plans or trains a run resolves its config first, so
    that a run's identity holds what the run depends on and nothing else. A config that is resolved already is returned
    as it is.

    Raises:
        ConfigError: if target_params is not a positive integer, or the model has no width; if there are no
            such weights, or no such state.
    """
    cfg = typed_config(_with_few_samples(cfg))
    for key, what in (("init_from", "a weights.pt or"), ("continue_from", "a run or")):
        found = cfg.get(key)
        if not (found is None or isinstance(found, str) or (OmegaConf.is_dict(found) and "sha256" in found)):
            raise ConfigError(f"{key} must be {what} the folder of a sweep, got {found!r}")
    has_target = (cfg.get("model") or {}).get("target_params") is not None
    unused = [section for section in _unused(cfg) if cfg.get(section) is not None]
    if not has_target and not unused and not isinstance(cfg.get("continue_from"), str):
        return with_hashes(cfg)
    if unused:
        _say_unused(str(cfg.module._target_), ", ".join(unused))
    resolved = copy.deepcopy(cfg)
    for section in unused:
        with open_dict(resolved):
            resolved[section] = None
    if has_target and resolved.get("model"):
        _resolve_width(resolved)
    if isinstance(resolved.get("continue_from"), str):
        state = find_state(resolved.continue_from, resolved)
        start = {"state": str(state), "run": state.parent.name, "sha256": state_digest(state)}
        with open_dict(resolved):
            resolved.continue_from = start
    return with_hashes(resolved)


@cache
def _say_unused(module: str, sections: str) -> None:
    log.info("%s takes no %s of the config: what these say is not part of its runs", module, sections)


def _unused(cfg: DictConfig) -> list[str]:
    """Return the sections that the config's module has no argument for."""
    if not cfg.get("module"):
        return []
    takes = _offered_to(target("module", cfg.module))
    sections = {"net": "model", "optimizer": "optimizer", "scheduler": "scheduler", "clip_norm": "clip_norm"}
    return [section for name, section in sections.items() if name not in takes]


@cache
def _offered_to(module: Any) -> frozenset[str]:
    """Return which arguments the lab has for a module's constructor."""
    common = {"net", "loss", "optimizer", "scheduler", "clip_norm", "compile"}
    names = compat.parameter_names(module)
    if "**" in names or (isinstance(module, type) and issubclass(module, SupervisedModule)):
        names |= common
    return frozenset(names & {*common, "input_shape", "num_outputs"})


def _with_few_samples(cfg: DictConfig) -> DictConfig:
    """Return the config with what `few_samples` limits: the samples of a pool, or those that errors are measured on."""
    if cfg.get("few_samples") is None:
        return cfg
    cfg = copy.deepcopy(cfg)
    with open_dict(cfg):
        asked, few = cfg.data.pop("n_train", None), cfg.pop("few_samples")
    if not isinstance(few, int) or isinstance(few, bool) or few < 1:
        raise ConfigError(f"few_samples must be a positive integer, got {few!r}")
    own = target("data", cfg.data) if "_target_" in cfg.data else None
    with open_dict(cfg):
        if asked not in (few, None):  # what somebody asked for stands
            cfg.data.n_train = asked
        elif not (isinstance(own, type) and issubclass(own, PoolDataModule)):
            cfg.evaluation.train_samples = cfg.evaluation.test_samples = few
        elif {"n_train", "**"} & compat.parameter_names(own):
            cfg.data.n_train = min(few, build("data", _without(cfg.data, "held_out")).n_train)
    return cfg


def _resolve_width(cfg: DictConfig) -> None:
    with open_dict(cfg):
        params = cfg.model.pop("target_params")
    is_number = isinstance(params, int | float) and not isinstance(params, bool)
    if not is_number or not 1 <= params <= MOST_PARAMS or params % 1:
        raise ConfigError(f"model.target_params must be an integer from 1 to {MOST_PARAMS}, got {params!r}")
    if "width" not in cfg.model:
        network = str(cfg.model._target_).rpartition(".")[2]
        raise ConfigError(f"model.target_params chooses a width, and {network} has none: leave it null")
    data = build_data(cfg)
    model = OmegaConf.to_yaml(cfg.model, resolve=True)
    cfg.model.width = attempt("model", lambda: _width(model, data.input_shape, data.num_outputs, int(params)))
    record_target_params(cfg, int(params))


@cache
def _width(model: str, input_shape: tuple[int, ...], num_outputs: int, params: int) -> int:
    node = OmegaConf.create(model)
    shape = {"input_shape": input_shape, "num_outputs": num_outputs}
    return width_for_params(lambda width: build("model", node, width=width, **shape), params)


def assemble(cfg: DictConfig) -> Parts:
    """Check a composed config and return the parts of its run.

    Raises:
        ConfigError: if the run could not be trained as asked.
    """
    cfg = resolve(cfg)
    if cfg.paths.get("run") is None and "paths.run}" in str(OmegaConf.to_container(cfg)):
        cfg = located(cfg)
    folder_name(cfg.name)
    check_weights(cfg)
    checks.check_precision(cfg.trainer.precision, cfg.trainer.accelerator)
    data = build_data(cfg)
    checks.check_trainer(cfg, data)
    loss = build_loss(cfg, data.task)
    if build_evaluation(cfg).test_samples and isinstance(data, PoolDataModule):
        raise ConfigError("evaluation.test_samples is for data that stream: a pool's test set is in memory")
    for name, node in nodes(cfg, "logger").items():
        if check(name, node) is wandb_run:
            asked_mode()
    optimizer, scheduler = _optional(cfg, "optimizer"), _optional(cfg, "scheduler", "monitor")
    shape = {"input_shape": data.input_shape, "num_outputs": data.num_outputs}
    own = cfg.get("module") or OmegaConf.create(
        {"_target_": f"{SupervisedModule.__module__}.SupervisedModule"}
    )
    offered = _offered_to(target("module", own))
    model = _without(cfg.model, "target_params") if "net" in offered else None
    for knob, argument in (("compile", "compile"), ("channels_last", "net")):
        if cfg[knob] and argument not in offered:
            raise ConfigError(
                f"{knob}=true has no effect on a module that takes no {argument}: leave it false"
            )

    def build_net() -> nn.Module:
        return build("model", model, **shape) if "net" in offered else network_of(build_any())

    def build_any(net: nn.Module | None = None) -> Any:
        common = {"net": net, "loss": loss, "optimizer": optimizer, "scheduler": scheduler, **shape}
        common |= {"clip_norm": cfg.clip_norm, "compile": cfg.compile}
        return build("module", own, **{key: value for key, value in common.items() if key in offered})

    def build_module() -> Any:
        with drawing(derive_seed(cfg.seed, "init")):
            net = build("model", model, **shape) if "net" in offered else None
            if net is not None and cfg.channels_last:
                net = net.to(memory_format=torch.channels_last)
            if cfg.compile:
                torch.compiler.reset()  # after a few networks of one class torch would quietly stop compiling
            module = build_any(net)
        # Lightning converts only after it has restored a checkpoint, whose digits would be lost.
        module = module.double() if cfg.trainer.precision == "64-true" else module
        if cfg.get("init_from"):
            load_pretrained(network_of(module), Path(cfg.init_from.weights))
        return module

    def build_optimizer(net: nn.Module) -> torch.optim.Optimizer:
        if optimizer is None:
            return compat.first_optimizer(net.configure_optimizers())  # type: ignore[operator]
        return make_optimizer(optimizer, net)

    module = without_memory(lambda: build_any(build_net() if "net" in offered else None))
    if not isinstance(module, L.LightningModule):
        raise ConfigError(f"module: {type(module).__name__} is no LightningModule")
    net = network_of(module)
    if isinstance(module, SupervisedModule):
        attempt("optimizer", module.configure_optimizers)
    if cfg.get("init_from"):
        attempt("init_from", lambda: load_pretrained(net, Path(cfg.init_from.weights)))
    checks.check_float64(cfg, net)
    checks.check_speed_knobs(cfg.channels_last, cfg.compile, net)
    checks.check_sharding(cfg)
    checks.check_single_samples(net, data)
    measures = build_measures(cfg, data.num_outputs)
    known = {field.name: field.type in (int, float, int | None, float | None) for field in fields(Summary)}
    if not known.get(cfg.objective, bool(cfg.get("measures"))):
        numbers = sorted(name for name, is_number in known.items() if is_number)
        raise ConfigError(
            f"objective={cfg.objective} is not a number of summary.json: use {checks.one_of(numbers)}"
        )
    monitors = {name: getattr(callback, "monitor", None) for name, callback in build_callbacks(cfg).items()}
    checks.check_monitors({**monitors, "scheduler": (cfg.get("scheduler") or {}).get("monitor")}, data)
    return Parts(
        *(data, loss, optimizer, scheduler, build_optimizer, build_net, count_parameters(net), build_module),
        *(lambda: list(build_callbacks(cfg).values()), measures),
    )


def located(cfg: DictConfig) -> DictConfig:
    """Return the config with `paths.run`, the directory of its run, filled in, and its name as text."""
    run, name = str(run_directory(cfg)), folder_name(cfg.name)
    if cfg.paths.get("run") == run and cfg.name == name:
        return cfg
    found = copy.deepcopy(cfg)
    with open_dict(found):
        found.paths.run, found.name = run, name
    return found


def nodes(cfg: DictConfig, group: str) -> dict[str, DictConfig]:
    """Return the nodes of a group that several can be chosen of, by their full name ("callbacks.ema").

    Raises:
        ConfigError: if it holds something that is no node.
    """
    section = cfg.get(group) or {}
    if "_target_" in section:
        raise ConfigError(
            f"{group} holds several nodes by name: put yours under one, as in configs/{group}/, "
            f"such as {group}.mine._target_"
        )
    return {f"{group}.{name}": node for name, node in section.items() if node is not None}


def build_data(cfg: DictConfig) -> PoolDataModule | StreamedData:
    """Return the data of `cfg.data`; raises `ConfigError`."""
    data = build("data", cfg.get("data"))
    if isinstance(data, PoolDataModule):
        return data
    if not isinstance(data, L.LightningDataModule):
        raise ConfigError(f"data: {type(data).__name__} is no LightningDataModule")
    return attempt("data", lambda: StreamedData(data))


def build_loss(cfg: DictConfig, task: str) -> Loss:
    """Return the loss of `cfg.loss`, or the usual one of the task; raises `ConfigError`."""
    node = cfg.get("loss")
    if not node:
        return objective.for_task(task)
    loss: Loss = LOSSES[node] if isinstance(node, str) and node in LOSSES else build("loss", node)
    if not callable(loss):
        raise ConfigError("loss must be callable, from outputs [N, K] and y to losses [N]")
    if objective.is_plain_cross_entropy(loss) and task == "regression":
        raise ConfigError("loss=cross_entropy needs classes, and this data set is regression: use loss=mse")
    y = torch.zeros(2, dtype=torch.long) if task == "classification" else torch.zeros(2, 3)
    found = attempt("loss", lambda: loss(torch.zeros(2, 3), y))
    if not isinstance(found, torch.Tensor) or found.shape != (2,):
        shape = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise ConfigError(
            f"loss must return one loss a sample, [N], and returns {shape} for N = 2: reduction=none?"
        )
    return loss


def build_measures(cfg: DictConfig, num_outputs: int) -> dict[str, dict[str, Measure]]:
    """Return the measures of `cfg.measures` by when they are taken, then by name; raises `ConfigError`."""
    measures: dict[str, dict[str, Measure]] = {"end": {}, "evaluations": {}}
    reserved = {field.name for field in fields(Summary)}
    for full, node in nodes(cfg, "measures").items():
        name, at = full.partition(".")[2], node.get("at", "end")
        if at not in measures:
            raise ConfigError(f"{full}.at must be end or evaluations, got {at!r}")
        if name in reserved:
            raise ConfigError(f"{full}: summary.json has a {name} already: give the measure another name")
        knobs = _without(node, "at")
        called, offered = check(full, knobs), {}
        if "num_classes" in compat.parameter_names(called) and "num_classes" not in knobs:
            offered["num_classes"] = num_outputs
        measure = build(full, knobs, **offered)
        measures[at][name] = MetricMeasure(name, measure) if hasattr(measure, "compute") else measure
    return measures


def build_callbacks(cfg: DictConfig) -> dict[str, L.Callback]:
    """Return the callbacks of `cfg.callbacks` by name; raises `ConfigError`."""
    found = {name: build(name, node) for name, node in nodes(cfg, "callbacks").items()}
    for name, callback in found.items():
        if not isinstance(callback, L.Callback):
            raise ConfigError(f"{name}: {type(callback).__name__} is no Lightning callback")
        if isinstance(callback, LearningRateFinder | BatchSizeFinder):
            raise ConfigError(f"{name} would train with a rate or batch size that no config says: sweep it")
    if sum(isinstance(callback, BestWeights | WeightAveraging) for callback in found.values()) > 1:
        raise ConfigError("callbacks: two of them decide which weights a run ends with: choose one")
    return found


def build_evaluation(cfg: DictConfig) -> Evaluation:
    """Return the callback of `cfg.evaluation`; raises `ConfigError`."""
    knobs = typed(Evaluation, cfg.evaluation, prefix="evaluation.")
    return attempt("evaluation", lambda: Evaluation(**knobs))


def build_trainer(cfg: DictConfig, data: PoolDataModule | StreamedData, **arguments: Any) -> L.Trainer:
    """Return the Trainer of `cfg.trainer`, with the lab's own choices where it makes none; raises `ConfigError`."""
    node = _without(cfg.trainer, "fused_steps")
    streams = isinstance(data, StreamedData)
    usual: dict[str, Any] = {
        **{"max_epochs": -1, "num_sanity_val_steps": 0, "enable_progress_bar": False},
        **{"enable_model_summary": False, "use_distributed_sampler": streams},
    }
    if not streams or not _validates(cfg):
        # Then evaluations are the validations, and callbacks that watch one look there, not at the end of an epoch.
        usual |= {"check_val_every_n_epoch": None, "val_check_interval": cfg.trainer.max_steps}
    return build("trainer", node, **{k: v for k, v in usual.items() if k not in node}, **arguments)


def _validates(cfg: DictConfig) -> bool:
    """Return whether the module has a validation of its own, which Lightning runs on a validation loader."""
    own = target("module", cfg.module) if cfg.get("module") else SupervisedModule
    return getattr(own, "validation_step", None) is not L.LightningModule.validation_step


def _without(node: DictConfig, *names: str) -> DictConfig:
    """Return a resolved copy of a node without some of its keys."""
    values: Any = OmegaConf.to_container(node, resolve=True)
    return OmegaConf.create({key: value for key, value in values.items() if key not in names})


def _optional(cfg: DictConfig, section: str, *known: str) -> Any:
    return build(section, cfg[section], known) if cfg.get(section) else None
