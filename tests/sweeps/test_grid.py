import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from overparam.runs.identity import identity
from overparam.sweeps.grid import Composer, expand, grid_points, set_values
from overparam.training.build import resolve
from tests.sweeps.conftest import CRASHING, Sweep, results

POINTS = [
    ["model.width=8", "seed=1"],
    ["seed=1", "model.width=8", "logger=local"],
    ["experiment=model_wise", "model.width=16", "seed=0"],
    ["scheduler=cosine", "trainer.max_steps=70"],
    ["scheduler=cosine", "scheduler.T_max=70", "trainer.max_steps=80"],
    ["scheduler.T_max=${trainer.max_steps}", "scheduler=cosine", "trainer.max_steps=90"],
    ["scheduler=multistep", "scheduler.milestones=[3,5]"],
    ["optimizer.betas=[0.8,0.9]", "optimizer.lr=1e-3"],
    ["data.seed=5", "seed=6"],
    ["+model.extra=3"],
    ["data.n_train=null", "loss=mse"],
    ["name=other", "data.label_noise=0.1"],
    ["~scheduler"],
    ["model.target_params=1000"],
    ["trainer=fsdp", "trainer.devices=4"],
    ["trainer=fsdp", "trainer.strategy.data_parallel_size=2"],
    # What a fork may add: values that follow others, by one step or several, from near or far.
    ["+callbacks.mine.x=${model.width}", "model.width=5"],
    ["+callbacks.mine.x=${callbacks.mine.y}", "+callbacks.mine.y=${model.width}", "model.width=5"],
    ["+callbacks.mine.x=${.y}", "+callbacks.mine.y=${model.width}", "model.width=5"],
    ["+callbacks.mine.x=${model}", "model.width=5"],
    ["+callbacks.mine.x=${callbacks.mine.y}", "+callbacks.mine.y=[${model.width}]", "model.width=5"],
    ["+callbacks.mine.x=${name}", "name=other"],
    ["+callbacks.mine.x=${paths.logs}/teacher", "paths.logs=elsewhere", "model.width=5"],
    ["+callbacks.mine.x=${data.root}", "data=mnist", "data.root=elsewhere"],
    ["+callbacks.mine.x=${data.root}", "data=mnist", "paths.data=elsewhere"],
    ["data.label_noise=${optimizer.lr}", "optimizer.lr=0.1"],
]


@pytest.mark.parametrize("overrides", POINTS, ids=" ".join)
def test_a_run_is_named_as_hydra_would_compose_it(composer: Composer, overrides: list[str]) -> None:
    expected = composer.loader.load_sweep_config(composer.master, overrides)
    with open_dict(expected):
        del expected["hydra"]
    expected = resolve(expected)
    with open_dict(expected):
        expected.pop("choices", None)  # of a width that was chosen by a size
    for _ in range(2):  # the second time from what the first left behind
        run = composer.run(overrides)
        assert run.identity == identity(expected) == identity(run.cfg)
        assert run.directory == Path(expected.paths.logs) / expected.name / run.identity
        assert OmegaConf.masked_copy(run.cfg, list(expected)) == expected
        assert set(run.cfg) - set(expected) == {"choices"}
        composer.run([*overrides, "seed=9"])


def test_choices_are_recorded_and_not_set(composer: Composer) -> None:
    assert composer.run(["optimizer=sgd", "scheduler=cosine"]).cfg.choices.optimizer == "sgd"
    assert composer.run(["optimizer=adamw"]).cfg.choices.optimizer == "adamw"
    with pytest.raises(HydraException, match="choices"):
        composer.run(["choices.optimizer=sgd"])


def test_a_forks_module_may_have_no_use_for_a_section(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_optimizer(cfg: DictConfig) -> DictConfig:
        resolved = copy.deepcopy(cfg)
        if OmegaConf.select(cfg, "module._target_") == "mine.OwnOptimizer":
            resolved.optimizer = None
        return resolved

    monkeypatch.setattr("overparam.training.build.resolve", without_optimizer)
    point = ["++module._target_=mine.OwnOptimizer", "model.width=5"]
    names = {composer.run([*point, f"optimizer.lr={rate}"]).identity for rate in (0.1, 0.2)}
    assert len(names) == 1
    assert names == {composer.run([*point, "optimizer=sgd"]).identity}


def test_runs_of_one_template_do_not_leak_into_each_other(composer: Composer) -> None:
    first, second = expand(
        composer.loader, composer.master, [["model.width=3", "seed=0"], ["model.width=4", "seed=1"]]
    )
    assert (second.cfg.model.width, second.cfg.data.seed) == (4, 1)
    assert (first.cfg.model.width, first.cfg.data.seed) == (3, 0)
    assert first.identity == identity(first.cfg) != second.identity


def test_points_with_the_same_values_are_one_run(composer: Composer) -> None:
    points = [["seed=0"], ["seed=0", "model.width=64"], ["model=mlp", "optimizer.lr=0.01"], ["seed=1"]]
    assert len(expand(composer.loader, composer.master, points)) == 2


def test_runs_that_differ_only_in_integer_seeds_are_of_one_kind(composer: Composer) -> None:
    def kinds(*points: str) -> int:
        return len(
            {run.kind for run in expand(composer.loader, composer.master, [p.split() for p in points])}
        )

    assert kinds("seed=0", "seed=1", "seed=-2") == 1
    assert kinds("seed=0 data.seed=1", "seed=0 data.seed=2", "seed=3 data.seed=2") == 1
    assert kinds("seed=0", "seed=1.5") == 2
    assert kinds("seed=0 data.n_train=9", "seed=1 data.n_train=8") == 2
    assert kinds("seed=5 data.n_train=${seed}", "seed=5000 data.n_train=${seed}") == 2
    assert kinds("model=mlp seed=0", "model=linear seed=1") == 2


@pytest.mark.parametrize("seeds", ["seed=3", "seed=4 data.seed=5", "data.order_seed=6"])
def test_a_run_differs_from_its_kind_in_its_seeds(composer: Composer, seeds: str) -> None:
    zeros = [f"{text.partition('=')[0]}=0" for text in seeds.split()]
    like, run = composer.run(["model.width=3", *zeros]), composer.run(["model.width=3", *seeds.split()])
    assert like.kind == run.kind
    cfg = like.cfg
    set_values(cfg, run.seeds)
    assert identity(cfg) == run.identity != like.identity


def test_every_run_of_a_sweep_is_checked(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    for grid, said in (
        (("seed=0,1,x",), "error: seed must be an integer, got 'x'"),
        (("seed=0,1", "data.n_train=60,5000"), "error: data.n_train must be between 1 and 1200, got 5000"),
    ):
        code, output = sweep(*grid).run()
        assert code == 2
        assert output.splitlines()[-1] == said
    assert not list(tmp_path.iterdir())


def test_a_grid_is_the_one_of_hydras_basic_sweeper(composer: Composer) -> None:
    arguments = [
        *("seed=range(3)", "model.width=4,8", "optimizer=sgd,adam", "seed=choice(5,6)", "~scheduler"),
        *("name='a b'", "+model.how=x", "data.n_train=null", "model=glob(mlp)"),
    ]
    parsed = OverridesParser.create(config_loader=composer.loader).parse_overrides(arguments)
    (points,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    assert grid_points(composer.loader, arguments) == points
    assert len(points) == 8
    with pytest.raises(HydraException, match=r"seed=interval\(0,1\) is for a search"):
        grid_points(composer.loader, ["seed=interval(0,1)"])


def test_an_unknown_key_is_hydras_error(composer: Composer) -> None:
    with pytest.raises(ConfigCompositionException, match="widht"):
        composer.run(["model.widht=3"])


@pytest.mark.parametrize("pack", ["off", "all"])
def test_a_run_has_one_directory_whoever_trains_it(
    sweep: Callable[..., Sweep], tmp_path: Path, pack: str
) -> None:
    inside = "+model.how=${paths.logs}/x"  # the worker is given another spelling of the folder
    knobs = ("name=elsewhere", "hydra/launcher=local", f"pack={pack}", "seed=0,1", CRASHING, inside)
    code, output = sweep(*knobs).run()
    assert code == 0, output
    assert len(list(tmp_path.glob("elsewhere/crashingmlp-*"))) == len(results(tmp_path / "elsewhere")) == 2
