import argparse
import pickle
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import MissingConfigException
from hydra.types import HydraContext
from omegaconf import OmegaConf

from overparam.compat_hydra import BASIC_LAUNCHER, compose_job, keep_configs, lazy_help, result_of
from overparam.sweeps.grid import Composer
from tests.conftest import CONFIGS
from tests.sweeps.conftest import composer

__all__ = ["composer"]


def test_hydras_parser_is_made_where_argparse_looks_into_help(monkeypatch: pytest.MonkeyPatch) -> None:
    add, looked_into = argparse.ArgumentParser.add_argument, []

    def check(parser: argparse.ArgumentParser, option: argparse.Action) -> None:
        if not isinstance(option.help, str):
            raise TypeError("no text")
        looked_into.append(option.dest)

    def add_checked(parser: Any, *names: str, **options: Any) -> argparse.Action:  # as Python 3.14 does
        option = add(parser, *names, **options)
        parser._check_help(option)
        return option

    monkeypatch.setattr(argparse.ArgumentParser, "_check_help", check, raising=False)
    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", add_checked)
    with pytest.raises(TypeError, match="no text"):
        get_args_parser()
    with lazy_help():
        parser = get_args_parser()
    assert parser.parse_args(["-sc", "seed=0"]).shell_completion
    assert "config_dir" in looked_into
    with pytest.raises(TypeError, match="no text"):
        get_args_parser()


def test_hydras_default_launcher_stands_in_this_module(composer: Composer) -> None:
    context = HydraContext(config_loader=composer.loader, callbacks=None)  # type: ignore[arg-type]
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=lambda _: None, config=composer.master
    )
    assert type(launcher).__module__ == BASIC_LAUNCHER


def test_a_job_is_composed_with_the_sweeps_own_choices(composer: Composer, tmp_path: Path) -> None:
    cfg, chosen, groups = compose_job(composer.loader, composer.master, ["model.width=3", "optimizer=sgd"])
    assert groups == {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert "hydra" not in cfg
    assert (chosen["model"], chosen["optimizer"]) == ("mlp", "sgd")
    assert (cfg.model.width, cfg.optimizer.momentum) == (3, 0.9)
    OmegaConf.register_new_resolver("drawn_once", lambda: uuid4().hex, use_cache=True, replace=True)
    composer.master.name = "${drawn_once:}"  # as ${now:...}, which must be one moment for all runs of a sweep
    drawn = composer.master.name
    assert compose_job(composer.loader, composer.master, ["name=${drawn_once:}"])[0].name == drawn


def test_a_group_in_a_folder_of_the_search_path_is_known_by_its_choice(
    composer: Composer, tmp_path: Path
) -> None:
    (tmp_path / "augmentation").mkdir()
    (tmp_path / "augmentation" / "weak.yaml").write_text("strength: 0.1\n")
    overrides = [f"hydra.searchpath=[file://{tmp_path}]", "+augmentation=weak"]
    cfg, chosen, groups = compose_job(composer.loader, composer.master, overrides)
    assert cfg.augmentation.strength == 0.1
    assert "augmentation" in groups
    assert chosen["augmentation"] == "weak"


def test_the_result_of_a_job_is_what_it_returned_or_raised(capsys: Any) -> None:
    error = ValueError("a bug")
    for status, value in ((JobStatus.COMPLETED, 0.5), (JobStatus.FAILED, error)):
        job = JobReturn(overrides=["seed=0"], status=status)
        job.return_value = value
        assert result_of(job) is value
    assert capsys.readouterr().err == ""


def test_configs_are_kept_as_they_are_wherever_a_loader_is_sent(composer: Composer, tmp_path: Path) -> None:
    group = tmp_path / "augmentation"
    group.mkdir()
    (group / "weak.yaml").write_text("# @package mine.own\nstrength: 0.1\n")
    (group / "empty.yaml").write_text("")
    overrides = [f"hydra.searchpath=[file://{tmp_path}]", "+augmentation=weak"]
    before, *rest = compose_job(composer.loader, composer.master, overrides)
    options = composer.loader.get_group_options("model"), composer.loader.list_groups("")
    keep_configs(composer.loader, [f"file://{tmp_path}"])
    (group / "weak.yaml").write_text("strength: 0.9\n")
    (group / "new.yaml").write_text("strength: 0.9\n")
    for loader in (composer.loader, pickle.loads(pickle.dumps(composer.loader))):
        after, *others = compose_job(loader, composer.master, overrides)
        assert OmegaConf.to_yaml(after) == OmegaConf.to_yaml(before)
        assert others == rest
        assert (loader.get_group_options("model"), loader.list_groups("")) == options
        assert compose_job(loader, composer.master, [overrides[0], "+augmentation=empty"])[0] is not None
        with pytest.raises(MissingConfigException, match="Could not find 'augmentation/new'"):
            compose_job(loader, composer.master, [overrides[0], "+augmentation=new"])
    assert before.mine.own.strength == 0.1
