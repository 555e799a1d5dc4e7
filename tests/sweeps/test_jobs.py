"""What is trained is what was planned, whatever becomes of the config files meanwhile."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from overparam.compat_hydra import with_planned_configs
from overparam.errors import ConfigError
from overparam.runs.identity import identity, resolved_values
from overparam.sweeps.grid import Composer, Run
from overparam.sweeps.jobs import JOBS, PLANNED, Together, members, planned_job, planned_jobs
from tests.gate import Gate
from tests.sweeps.conftest import Sweep, results


def some_runs(composer: Composer, folder: Path) -> list[Run]:
    points = [
        ["model.width=3"],
        ["scheduler=cosine", "seed=1"],
        ["+callbacks.mine.at={5: 0.1}", 'name="x\'y:1"'],
    ]
    return [composer.run([*point, f"paths.logs='{folder}'"]) for point in points]


def test_a_job_has_the_config_that_hydra_would_compose(composer: Composer, tmp_path: Path) -> None:
    runs = some_runs(composer, tmp_path)
    loader = with_planned_configs(composer.loader, planned_job)
    elsewhere = pickle.loads(pickle.dumps(loader))  # as joblib and submitit send it
    with planned_jobs([Together([run]) for run in runs]) as jobs:
        for run, job in zip(runs, jobs, strict=True):
            expected = composer.loader.load_sweep_config(composer.master, run.overrides)
            for own in (loader, elsewhere):
                cfg = own.load_sweep_config(composer.master, list(job.overrides))
                HydraConfig.instance().set_config(cfg)  # refuses what is not of Hydra's type
                assert cfg.hydra.sweep.dir == f"{tmp_path}/{run.directory.parent.name}"
                (member,) = members(cfg)
                assert member.pop("choices")["scheduler"] == expected.hydra.runtime.choices["scheduler"]
                assert member == resolved_values(expected)
                assert identity(member) == run.identity
    assert loader.load_sweep_config(composer.master, ["seed=5"]).seed == 5  # of another sweeper
    assert not list(tmp_path.rglob(JOBS))


def test_a_pack_is_one_job_and_files_go_with_their_jobs(composer: Composer, tmp_path: Path) -> None:
    runs = some_runs(composer, tmp_path)
    folder = runs[0].directory.parent / JOBS
    with planned_jobs([Together(runs)]) as (job,), planned_jobs([Together(runs[:1])]) as (other,):
        cfg = planned_job(job.overrides)
        assert isinstance(cfg, DictConfig)
        assert [identity(member) for member in members(cfg)] == [run.identity for run in runs]
        assert list(members(cfg)[2].callbacks.mine["at"]) == [5]  # not text, as JSON would have it
        assert len(list(folder.iterdir())) == 2
        gone = planned_job(other.overrides)
    assert not folder.exists()
    assert gone is not None
    with pytest.raises(ConfigError, match="start the sweep again"):
        members(gone)


def test_a_config_of_another_run_than_was_planned_is_refused(composer: Composer, tmp_path: Path) -> None:
    (run, *_) = some_runs(composer, tmp_path)
    with planned_jobs([Together([run])]) as (job,):
        path, *_ = job.overrides[-1].removeprefix(PLANNED).rsplit(":", 2)
        Path(path).write_text(Path(path).read_text().replace("width: 3", "width: 4"))
        cfg = planned_job(job.overrides)
        assert cfg is not None
        with pytest.raises(ConfigError, match=f"{run.identity} was planned"):
            members(cfg)


def test_a_value_of_the_environment_is_the_one_that_was_planned(
    composer: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISE", "0.25")
    noise = ["data.label_noise=${oc.env:NOISE}", f"paths.logs='{tmp_path}'"]
    logged = ["+logger.mine.host=${oc.env:NOISE}", "seed=1", f"paths.logs='{tmp_path}'"]
    with planned_jobs([Together([composer.run(noise)]), Together([composer.run(logged)])]) as jobs:
        monkeypatch.setenv("NOISE", "0.75")
        first, second = (members(cfg)[0] for job in jobs if (cfg := planned_job(job.overrides)) is not None)
    assert first.data.label_noise == 0.25
    assert second.logger.mine.host == "0.25"


def test_ten_thousand_runs_share_what_they_have_in_common(composer: Composer, tmp_path: Path) -> None:
    runs = [composer.run([f"seed={seed}", f"paths.logs='{tmp_path}'"]) for seed in range(500)]
    with planned_jobs([Together([run]) for run in runs]) as jobs:
        path, *_ = jobs[0].overrides[-1].removeprefix(PLANNED).rsplit(":", 2)
        assert Path(path).stat().st_size < 500 * 400
        cfg = planned_job(jobs[-1].overrides)
        assert cfg is not None
        assert members(cfg)[0].seed == 499


def test_a_run_alone_is_its_own_job(composer: Composer) -> None:
    cfg = composer.compose(["seed=3"])
    assert members(cfg) == [cfg]


EXPERIMENT = """# @package _global_
name: edited
optimizer:
  lr: {lr}
hydra:
  sweeper:
    params:
      seed: 0,1
      optimizer: sgd,mine
"""


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_an_edit_while_a_sweep_runs_changes_none_of_its_runs(
    sweep: Callable[..., Sweep], tmp_path: Path, launcher: str
) -> None:
    gate, configs = Gate(tmp_path), tmp_path / "configs"
    (configs / "experiment").mkdir(parents=True)
    experiment, optimizer = configs / "experiment" / "edited.yaml", configs / "optimizer" / "mine.yaml"
    experiment.write_text(EXPERIMENT.format(lr=0.125))
    optimizer.parent.mkdir()
    optimizer.write_text("_target_: torch.optim.RMSprop\n_partial_: true\nlr: 0.5\n")
    found = f"hydra.searchpath=[file://{configs}]"
    one_by_one = ("hydra.launcher.cpu_slots=1",) if launcher == "local" else ()
    places = (f"hydra/launcher={launcher}", *one_by_one, found, *gate.overrides(step=0))
    started = sweep("experiment=edited", "trainer.max_steps=2", *places).start()
    gate.wait(started.process)
    experiment.write_text(EXPERIMENT.format(lr=99))
    optimizer.write_text("no: [YAML")
    gate.open()
    code, output = started.finish()
    assert code == 0, output
    trained = results(tmp_path / "edited")
    assert len(trained) == 4
    for name in trained:
        cfg = OmegaConf.load(tmp_path / "edited" / name / "config.yaml")
        assert isinstance(cfg, DictConfig)
        with open_dict(cfg):
            cfg.paths.run = None
        assert (cfg.optimizer.lr, identity(cfg)) == (0.125, name)
    assert not (tmp_path / "edited" / JOBS).exists()


def test_a_secret_of_the_environment_is_referred_to(
    composer: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_DB_PASSWORD", "correct-horse-battery")
    points = [[f"seed={seed}", "+callbacks.mine.password=${oc.env:LAB_DB_PASSWORD}"] for seed in (0, 1)]
    runs = [composer.run([*point, f"paths.logs='{tmp_path}'"]) for point in points]
    with planned_jobs([Together(runs)]) as (job,):
        (file,) = tmp_path.rglob(f"{JOBS}/*")
        assert "correct-horse" not in file.read_text()
        cfg = planned_job(job.overrides)
        assert cfg is not None
        found = members(cfg)
    assert [member.callbacks.mine.password for member in found] == ["correct-horse-battery"] * 2
