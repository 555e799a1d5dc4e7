"""Whether networks are packed on a device, and how many: measured on it once, kept, and recorded with a sweep."""

import json
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.global_hydra import GlobalHydra

from overparam.packs import speeds
from overparam.packs.grouping import plan
from overparam.packs.job import pack_runs
from overparam.packs.record import PACKS
from overparam.sweeps.check import check
from overparam.sweeps.grid import expand
from overparam.sweeps.offer import Offer
from overparam.training.build import assemble
from tests.conftest import CONFIGS, compose_config, read_json
from tests.device.pretend import NAME, watch

CNN = ("model=cnn3", "model.width=2", "data.n_train=40", "data.batch_size=8", "logger=local")
# What other GPUs may be like, in place of a measurement.
SLOWER, FOUR = {1: 1.0, 2: 2.0, 4: 1.5, 8: 1.0}, {1: 1.0, 2: 0.6, 4: 0.4, 8: 0.4, 16: 0.5}


def device() -> torch.device:
    """The device, in the process that has it."""
    return torch.device(NAME, 0)


def by_launches(widest: int) -> dict[int, float]:
    """What is measured where the time is that of launches."""
    parts = assemble(compose_config(*CNN))
    with watch() as seen, patch.object(speeds, "clock", lambda: float(seen.launches.total())):
        return speeds.measure(parts, 8, "32-true", device(), widest)


def test_where_launches_are_what_costs_large_packs_are_fastest(in_device_process):
    found = in_device_process(by_launches, 8)
    assert list(found) == [1, 2, 4, 8]  # no more than fit
    assert found[8] == found[2] / 4 < found[1] / 3
    assert speeds.fastest(found) == 8


def cut_short() -> tuple[list[int], torch.Tensor, torch.Tensor]:
    """The packs tried where four members are too many for the memory; and torch's generator before and after."""

    def too_many(net, members, x):
        if members == 4:
            raise torch.OutOfMemoryError
        return lambda: None

    before = torch.get_rng_state()
    with patch.object(speeds, "_gradient", too_many):
        found = speeds.measure(assemble(compose_config(*CNN)), 8, "32-true", device(), 64)
    return list(found), before, torch.get_rng_state()


def test_a_pack_that_does_not_fit_ends_the_measurement_and_nothing_is_drawn(in_device_process):
    sizes, before, after = in_device_process(cut_short)
    assert sizes == [1, 2]
    assert torch.equal(before, after)


def kinds() -> list[str]:
    """What tells networks apart."""
    others = ("seed=1", "model.width=3", "trainer.precision=64-true", "data.batch_size=9", "data=cifar10")
    cfgs = [compose_config(*CNN), *(compose_config(*CNN, other) for other in others)]
    return [
        speeds.kind(parts, parts.data.batch_size, cfg.trainer.precision, device())
        for cfg, parts in ((cfg, assemble(cfg)) for cfg in cfgs)
    ]


def test_a_kind_is_what_a_steps_time_depends_on(in_device_process):
    first, seed, *others = in_device_process(kinds)
    assert first == seed
    assert len({first, *others}) == 5
    assert first.startswith(f"Pretend 1, torch {torch.__version__}, CNN ")
    assert first.endswith(", 8 x 1x8x8, 32-true")


def planned(outcome: dict[int, float], seeds: int, name: str, logs: Path) -> tuple[list[int], int]:
    """Plan a sweep on a device where `outcome` is measured; return the sizes of its jobs, and how often it was."""
    common = [*CNN, f"paths.logs={logs}", f"name={name}"]
    with (
        patch("overparam.packs.grouping.gpu", lambda accelerator: device()),
        patch.object(speeds, "measure", return_value=outcome) as measured,
        initialize_config_dir(str(CONFIGS), version_base="1.3"),
    ):
        master = compose("train", return_hydra_config=True)
        grid = [[f"seed={seed}", *common] for seed in range(seeds)]
        runs, offer = expand(GlobalHydra.instance().config_loader(), master, grid), Offer(BasicLauncher())
        (logs / name).mkdir(exist_ok=True)
        jobs = pack_runs(runs, runs, check(runs, offer), offer)
    return [len(job.runs) for job in jobs], measured.call_count


def test_it_is_measured_once_kept_and_a_sweep_goes_on_by_what_it_recorded(tmp_path, in_device_process):
    assert in_device_process(planned, FOUR, 8, "first", tmp_path) == ([4, 4], 1)
    (recorded,) = read_json(tmp_path / "first" / PACKS)["speeds"].values()
    assert recorded == {str(members): seconds for members, seconds in FOUR.items()}
    # Another sweep takes what is kept.
    assert in_device_process(planned, SLOWER, 8, "second", tmp_path) == ([4, 4], 0)
    # What is kept has changed: a sweep that was begun has its packs, and a larger grid adds such packs.
    kept = tmp_path / speeds.KEPT
    (kind,) = read_json(kept)
    kept.write_text(json.dumps({kind: SLOWER}))
    assert in_device_process(planned, SLOWER, 12, "first", tmp_path) == ([4, 4, 4], 0)
    assert in_device_process(planned, FOUR, 8, "third", tmp_path) == ([1] * 8, 0)
    kept.write_text("{")
    assert in_device_process(planned, FOUR, 6, "fourth", tmp_path) == ([3, 3], 1)
    assert list(tmp_path.glob(f"{speeds.KEPT}.damaged-*"))


def reasons(packing: str, *overrides: str) -> tuple[list[int], dict[str, int], int]:
    """Plan where packs are slower; return their sizes, why others run alone, how often it was measured."""
    runs = [(cfg, assemble(cfg)) for cfg in (compose_config(*CNN, *overrides, f"seed={s}") for s in range(3))]
    with (
        patch("overparam.packs.grouping.gpu", lambda accelerator: device()),
        patch.object(speeds, "measure", return_value=SLOWER) as measured,
    ):
        packs, alone = plan(runs, packing)
    return [len(pack) for pack in packs], dict(alone), measured.call_count


@pytest.mark.parametrize(
    ("packing", "more", "sizes", "measured"),
    [
        ("auto", [], [], 1),
        ("auto", ["model=mlp"], [3], 0),  # side by side
        ("all", [], [3], 0),
    ],
)
def test_packs_that_are_slower_are_made_where_all_are_asked_for_alone(
    in_device_process, packing, more, sizes, measured
):
    packs, alone, count = in_device_process(reasons, packing, *more)
    assert packs == sizes
    assert alone == ({} if sizes else {"they train no faster together on this GPU, as measured": 3})
    assert count == measured
