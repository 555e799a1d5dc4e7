"""A bad config: one clear line, a non-zero exit code, nothing written."""

import pytest

from overparam.errors import ConfigError
from overparam.training.run import train
from tests.command_line import command_line

CALLBACKS = "lightning.pytorch.callbacks"
BAD = {
    "model.width=0": "model.width must be greater than 0, got 0",
    "model.width=abc": "model.width must be an integer",
    "model.depth=0": "model.depth must be greater than 0, got 0",
    "model.activation=swishy": "model.activation must be 'relu', 'gelu', 'tanh' or 'identity'",
    "model.dropout=1.0": "model.dropout must be less than 1, got 1.0",
    "data.n_train=5000": "data.n_train must be between 1 and 1200, got 5000",
    "data.n_train=0": "data.n_train must be greater than 0, got 0",
    "data.label_noise=1.0": "data.label_noise must be in [0, 1), got 1.0",
    "data.label_noise=-0.1": "data.label_noise must be greater than or equal to 0, got -0.1",
    "data.label_noise=some": "data.label_noise must be a number",
    "data.noise_kind=loud": "data.noise_kind must be 'flip'",
    "data.batch_size=0": "data.batch_size must be greater than 0",
    "optimizer.lr=-1": "optimizer.lr must be greater than 0",
    "optimizer.lr=fast": "optimizer.lr must be a number",
    "loss=cross_entropy loss._target_=torch.nn.NoLoss": "loss._target_=torch.nn.NoLoss cannot be imported",
    "+loss._target_=torch.nn.CrossEntropyLoss": "loss must return one loss a sample, [N], and returns []",
    "+trainer.max_epochs=3": "trainer.max_epochs has no effect here: training is counted in steps",
    "+trainer.callbacks=[]": "trainer.callbacks has no effect here: choose them with callbacks=[...]",
    "+trainer.max_stepz=3": "trainer.max_stepz: Trainer has no such knob; did you mean max_steps?",
    "+model.dept=3": "model.dept: MLP has no such knob; did you mean depth?",
    "+data.n_trian=3": "data.n_trian: Digits has no such knob; did you mean n_train?",
    "+callbacks.es._target_=no.such.Thing": "callbacks.es._target_=no.such.Thing cannot be imported",
    "+callbacks.es._target_=collections.Counter": "callbacks.es: Counter is no Lightning callback",
    f"+callbacks.lr._target_={CALLBACKS}.LearningRateFinder": "callbacks.lr would train with a rate",
    f"+callbacks.size._target_={CALLBACKS}.BatchSizeFinder": "callbacks.size would train with a rate or batch size",
    "+callbacks._target_=lightning.pytorch.callbacks.Timer": "callbacks holds several nodes by name",
    "+trainer.min_epochs=2": "trainer.min_epochs has no effect here",
    "+trainer.overfit_batches=2": "trainer.overfit_batches has no effect here: set data.n_train",
    "+trainer.limit_train_batches=2": "trainer.limit_train_batches has no effect here: set data.n_train",
    "+trainer.barebones=true": "trainer.barebones has no effect here",
    "+trainer.model_registry=mine": "trainer.model_registry has no effect here",
    "+trainer.min_steps=5": "trainer.min_steps has no effect here",
    "+trainer.gradient_clip_val=0": "trainer.gradient_clip_val must be greater than 0",
    "+trainer.gradient_clip_algorithm=value": "trainer.gradient_clip_algorithm has no effect without",
    "trainer.fused_steps=true": "trainer.fused_steps must be auto or false",
    "clip_norm=0": "clip_norm must be greater than 0",
    "data.cutout=9": "data.cutout must be at most 8, the side of these images, got 9",
    "data.crop=9": "data.crop must be at most 8, the side of these images, got 9",
    "data.noise_kind=class_dependent data.noise_matrix=[[.nan]]": "data.noise_matrix must be",
    "pack=foo": "pack must be 'off', 'auto' or 'all'",
    "checkpoint_seconds=0": "checkpoint_seconds must be greater than 0",
    "checkpoint_seconds=inf": "checkpoint_seconds must be a finite number",
    "optimizer=sgd optimizer.momentum=2": "optimizer.momentum must be less than 1",
    "optimizer.lr=0": "optimizer.lr must be greater than 0",
    "scheduler=multistep scheduler.milestones=[5,3]": "scheduler.milestones must be ascending",
    "clip_norm=1 +trainer.gradient_clip_val=1": "both clip gradients: choose one",
    "+measures.params._target_=torchmetrics.Accuracy": "summary.json has a params already",
    "trainer.precision=16-mixed": "trainer.precision=16-mixed is not supported on the CPU",
    "trainer.precision=8": "trainer.precision=8 is not supported on the CPU",
    "trainer.max_steps=0": "trainer.max_steps must be greater than 0",
    "trainer.accelerator=abacus": "trainer: ",
    "trainer.devices=none": "trainer: ",
    "evaluation.per_decade=0": "evaluation.per_decade must be greater than 0",
    "seed=1.5": "seed must be an integer",
    "cpu_threads=0": "cpu_threads must be greater than 0",
    "checkpoint_seconds=often": "checkpoint_seconds must be a number",
    "objective=name": "objective=name is not a number of summary.json",
    "objective=beauty": "objective=beauty is not a number of summary.json",
    "logger=wandb logger.wandb.mode=maybe": "logger.wandb.mode must be 'auto', 'online', 'offline' or 'disabled'",
    "name=''": "name is empty",
    "model=cnn5 data=teacher": "a convolutional network needs images",
    "data=teacher_regression loss=cross_entropy": "use loss=mse",
}


@pytest.mark.parametrize("overrides", BAD)
def test_refused_in_one_line_before_anything_is_written(small, tmp_path, overrides):
    with pytest.raises(ConfigError) as caught:
        train(small(*overrides.split()))
    message = str(caught.value)
    assert BAD[overrides] in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["model.width=0"], "model.width must be greater than 0, got 0"),
        (["model.widht=8"], "model.widht: the config has no such key; did you mean width?"),
        (["model=resnett"], "there is no model=resnett; did you mean resnet50?"),
        (["-m", "model.width=4,0", "seed=0,1"], "model.width must be greater than 0, got 0"),
        (["-m", "model.widht=4,8"], "model.widht: the config has no such key; did you mean width?"),
        (["model._target_=no.Net"], "model._target_=no.Net cannot be imported"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_line_says_it_in_one_line(tmp_path, arguments, says):
    result = command_line("train.py", *arguments, f"paths.logs={tmp_path}", "trainer.max_steps=1")
    assert result.returncode != 0
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert not list(tmp_path.glob("*/*"))
