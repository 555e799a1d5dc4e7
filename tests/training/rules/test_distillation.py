"""Distillation: its loss, and that the teacher is used and left alone."""

import shutil

import pytest
import torch
import torch.nn.functional as F

from overparam.errors import ConfigError
from overparam.runs.identity import run_directory
from overparam.training.build import assemble, resolve
from overparam.training.finished import load_run
from overparam.training.rules.distillation import Distillation
from overparam.training.run import train


@pytest.fixture
def teacher(small):
    cfg = small("model.width=32", "trainer.max_steps=80", "data.n_train=600")
    train(cfg)
    return run_directory(cfg)


def student(small, teacher, *overrides):
    choices = ("module=distillation", f"module.teacher={teacher}", "model.width=8", "data.label_noise=0.4")
    return small(*choices, *overrides)


def test_the_loss_is_hintons(small, teacher):
    cfg = student(small, teacher, "module.temperature=3.0", "module.alpha=0.7")
    parts = assemble(cfg)
    module = parts.build_module()
    module.on_fit_start()
    parts.data.setup()
    x, y = parts.data.train.x, parts.data.train.y
    module.training_loss(x, y).backward()
    found = [w.grad.clone() for w in module.parameters()]
    module.zero_grad()
    outputs, taught = module.net(x), load_run(teacher).net(x).detach()
    soft = F.cross_entropy(
        outputs / 3.0, (taught / 3.0).softmax(1)
    )  # with soft targets, section 2 of the paper
    (0.3 * F.cross_entropy(outputs, y) + 0.7 * 3.0**2 * soft).backward()
    for gradient, w in zip(found, module.parameters(), strict=True):
        torch.testing.assert_close(gradient, w.grad, rtol=1e-4, atol=1e-6)
    agree = 9.0 * 0.7 * (soft - F.cross_entropy(taught / 3.0, (taught / 3.0).softmax(1)))
    torch.testing.assert_close(module.training_loss(x, y), 0.3 * F.cross_entropy(outputs, y) + agree)


def test_the_teacher_is_no_part_of_the_run(small, teacher, monkeypatch):
    before = (teacher / "weights.pt").read_bytes()
    made = []
    monkeypatch.setattr(Distillation, "on_fit_end", lambda self: made.append(self))
    summary = train(student(small, teacher, "module.alpha=1.0"))
    (module,) = made
    (used,) = module._teacher
    assert set(module.state_dict()) == {f"net.{name}" for name in module.net.state_dict()}
    assert all(w.grad is None and not w.requires_grad for w in used.parameters())
    assert all(
        torch.equal(w, used.state_dict()[name]) for name, w in load_run(teacher).net.state_dict().items()
    )
    assert (teacher / "weights.pt").read_bytes() == before
    assert summary["params"] == 64 * 8 + 8 + 8 * 10 + 10


def test_the_student_learns_what_its_labels_do_not_say(small, teacher):
    steps = ("trainer.max_steps=100", "data.n_train=300")
    taught = train(student(small, teacher, "module.alpha=1.0", *steps))
    alone = train(student(small, teacher, "module.alpha=0.0", *steps))
    assert taught["test_error"] < alone["test_error"] - 0.1


def test_alpha_0_is_plain_training_bit_for_bit(small, teacher):
    plain, distilled = (
        small("model.width=8", "data.label_noise=0.4"),
        resolve(student(small, teacher, "module.alpha=0")),
    )
    train(plain), train(distilled)
    assert run_directory(plain) != run_directory(distilled)
    for name in ("metrics.csv", "weights.pt"):
        assert (run_directory(plain) / name).read_bytes() == (run_directory(distilled) / name).read_bytes()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("module.teacher=no/such/run", "module.teacher=no/such/run: there is no such file or folder"),
        ("module.teacher=configs/train.yaml", "configs is not the directory of a finished run"),
        ("data.classes=[0,1,2]", "has 10 outputs, and these data need 3"),
        ("module.temperature=0", r"module\.temperature must be greater than 0"),
        ("module.alpha=1.5", r"module\.alpha must be less than or equal to 1"),
    ],
)
def test_what_cannot_be_distilled_is_said_in_one_line_before_anything_is_written(
    small, teacher, override, message
):
    cfg = student(small, teacher, override)
    with pytest.raises(ConfigError, match=message) as error:
        train(cfg)
    assert "\n" not in str(error.value)
    assert len(list(teacher.parent.iterdir())) == 1  # the teacher


def test_a_teacher_counts_by_its_weights_and_not_by_its_path(small, teacher, tmp_path):
    names = [run_directory(resolve(student(small, path))).name for path in (teacher, teacher / "weights.pt")]
    shutil.copytree(teacher, tmp_path / "elsewhere" / teacher.name)
    names.append(run_directory(resolve(student(small, tmp_path / "elsewhere" / teacher.name))).name)
    assert len(set(names)) == 1
    assert names[0] != run_directory(resolve(small("model.width=8", "data.label_noise=0.4"))).name
    cfg = resolve(student(small, teacher))
    weights = torch.load(teacher / "weights.pt", weights_only=True)
    next(iter(weights.values())).add_(1e-3)  # as if it had been trained again
    torch.save(weights, teacher / "weights.pt")
    assert run_directory(resolve(student(small, teacher))).name not in names
    with pytest.raises(ConfigError, match=r"^module\.teacher: .* is not what this run started from$"):
        train(cfg)
