"""Run directories as training leaves them, made without training."""

import json

from overparam.runs.summary import Summary, write_json, write_summary


def fabricate(
    folder,
    *,
    seed=0,
    width=8,
    noise=0.2,
    n=1200,
    train_error=0.0,
    test_error=0.2,
    steps=None,
    choices=None,
    **config,
):
    """Write a finished run's directory as training leaves it."""
    identity = f"mlp-w{width}-n{n}-p{noise}-s{seed}-" + "-".join(map(str, config.values()))
    values = {
        "data._target_": "Digits",
        "data.n_train": n,
        "data.label_noise": noise,
        "data.seed": seed,
        "model._target_": "MLP",
        "model.width": width,
        "model.depth": 1,
        "trainer.max_steps": 100,
        "seed": seed,
        **config,
    }
    summary = Summary(
        identity=identity,
        name=folder.name,
        params=75 * width + 10,
        n_train=n,
        num_outputs=10,
        params_per_sample=(75 * width + 10) / n,
        params_per_constraint=(75 * width + 10) / n / 10,
        train_error=train_error,
        train_error_clean=train_error,
        train_error_noisy=train_error if noise else None,
        test_error=test_error,
        train_loss=train_error + 0.01,
        test_loss=2 * test_error,
        best_test_error=test_error,
        best_step=10,
        interpolation_step=None if train_error else 10,
        noise_rate=noise,
        steps=100,
        wall_seconds=1.5,
        warnings=[],
        config=values,
        choices=choices or {},
    )
    run = folder / identity
    run.mkdir(parents=True)
    lines = ["step,train_loss,train_error,test_loss,test_error"]
    for step in steps or (0, 1, 10, 100):
        left = 1 / (1 + step / width)
        lines.append(
            f"{step},{train_error + left},{train_error + left},{test_error + left},{test_error + left / 2}"
        )
    (run / "metrics.csv").write_text("\r\n".join(lines) + "\r\n")
    (run / "config.yaml").write_text("name: x\npaths: {}\n")
    write_json(run / "provenance.json", {"git_commit": "abc", "host": "here", "command": ["train.py", "-m"]})
    write_summary(run, summary)
    return run


def rewrite_summary(run, **values):
    content = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(content | values))


def read_config(run):
    return json.loads((run / "summary.json").read_text())["config"]
