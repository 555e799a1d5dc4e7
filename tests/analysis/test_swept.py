"""What is swept together is one axis: a group and what it brings."""

from fabricated import fabricate

from overparam.analysis.collect import collect
from overparam.analysis.swept import swept

ADAM = {"optimizer._target_": "Adam", "optimizer.lr": 0.01, "optimizer.beta": 0.9}
SGD = {"optimizer._target_": "SGD", "optimizer.lr": 0.1, "optimizer.momentum": 0.9}
MLP = {"model._target_": "MLP", "model.width": 64}
CNN3 = {"model._target_": "CNN", "model.depth": 3, "model.width": 16}
CNN5 = {"model._target_": "CNN", "model.depth": 5, "model.width": 16}


def keys(folder, *runs, common=None):
    """The axes of runs given as (choices, values); without choices, those of runs of before these were recorded."""
    for number, (choices, values) in enumerate(runs):
        values = dict(values)
        width = values.pop("model.width", 8)
        recorded = (
            None if choices is None else {"data": "digits", "model": "mlp", **(common or {}), **choices}
        )
        for seed in (0, 1):
            fabricate(folder / str(number), width=width, seed=seed, choices=recorded, **values)
    return swept(collect(*(folder / str(number) for number in range(len(runs)))))


def test_a_group_is_one_axis_with_the_defaults_it_brings(tmp_path):
    assert keys(tmp_path / "a", ({"optimizer": "adam"}, ADAM), ({"optimizer": "sgd"}, SGD)) == [
        "choices.optimizer"
    ]
    assert keys(tmp_path / "b", ({"model": "mlp"}, MLP), ({"model": "cnn3"}, CNN3)) == ["choices.model"]
    assert keys(tmp_path / "c", ({"model": "cnn5"}, CNN5), ({"model": "cnn3"}, CNN3)) == ["choices.model"]


def test_a_knob_swept_beside_its_group_is_an_axis_too(tmp_path):
    runs = [
        ({"optimizer": name}, {**values, "optimizer.lr": rate})
        for name, values in (("adam", ADAM), ("sgd", SGD))
        for rate in (0.01, 0.1, 1)
    ]
    assert keys(tmp_path, *runs) == ["optimizer.lr", "choices.optimizer"]


def test_a_width_that_another_choice_goes_with_never_hides_the_group(tmp_path):
    runs = [
        (
            {"optimizer": "sgd" if width == 8 else "adam"},
            {**(SGD if width == 8 else ADAM), "model.width": width},
        )
        for width in (4, 8, 16)
    ]
    assert keys(tmp_path, *runs) == ["model.width", "choices.optimizer"]


def test_another_name_for_the_same_values_is_no_axis(tmp_path):
    cnn5 = [({"model": "cnn5"}, {**CNN5, "model.width": width}) for width in (8, 16)]
    renamed = ({"model": "cnn3"}, {**CNN5, "model.width": 32})  # model=cnn3 model.depth=5
    assert keys(tmp_path / "a", *cnn5, renamed) == ["model.width"]
    mlps = [({"model": "mlp"}, {**MLP, "model.width": width}) for width in (8, 16)]
    assert keys(tmp_path / "b", *cnn5, renamed, *mlps) == ["model.width", "model._target_"]


def test_where_a_run_happens_is_no_axis_whatever_goes_with_it(tmp_path):
    for group in ("logger", "paths"):
        runs = [({group: name}, {"model.width": width}) for name, width in (("a", 8), ("b", 16))]
        assert keys(tmp_path / group, *runs) == ["model.width"]


def test_an_experiment_is_the_axis_of_all_that_it_brings(tmp_path):
    runs = [
        ({"experiment": "one", "optimizer": "adam"}, {**ADAM, "model.depth": 2}),
        ({"experiment": "two", "optimizer": "sgd"}, {**SGD, "model.depth": 3}),
    ]
    assert keys(tmp_path, *runs) == ["choices.experiment"]


def test_a_forks_group_is_an_axis_wherever_it_sets_its_values(tmp_path):
    own = [
        ({"augmentation": name}, {"augmentation.std": std}) for name, std in (("weak", 0.1), ("strong", 1))
    ]
    assert keys(tmp_path / "a", *own) == ["choices.augmentation"]
    at = [({"model@teacher": name}, {"teacher.size": size}) for name, size in (("mlp", 1), ("cnn3", 2))]
    assert keys(tmp_path / "b", *at) == ["choices.model@teacher"]
    other = [({"recipe": name}, {"optimizer.lr": rate}) for name, rate in (("mild", 0.1), ("hot", 1))]
    assert keys(tmp_path / "c", *other) == ["choices.recipe"]
    with_ema = ({"callbacks": ["ema"]}, {"callbacks.ema._target_": "EMA", "callbacks.ema.decay": 0.9})
    assert keys(tmp_path / "d", ({"callbacks": None}, {}), with_ema) == ["choices.callbacks"]


def test_runs_of_before_choices_were_recorded_are_told_apart_by_their_classes(tmp_path):
    assert keys(tmp_path / "old", (None, ADAM), (None, SGD)) == ["optimizer._target_"]
    mixed = keys(tmp_path / "mixed", (None, MLP), ({"model": "cnn3"}, CNN3))
    assert mixed == ["model._target_"]
    same = keys(tmp_path / "same", (None, MLP), ({"model": "mlp"}, {**MLP, "model.width": 8}))
    assert same == ["model.width"]


def test_a_width_that_was_chosen_for_a_size_is_no_axis(tmp_path):
    def sized(*sizes):
        return [
            ({"model.target_params": size}, {"model.depth": depth, "model.width": (size or 1000) // depth})
            for size in sizes
            for depth in (1, 2, 3)
        ]

    assert keys(tmp_path / "a", *sized(1000)) == ["model.depth"]
    assert keys(tmp_path / "b", *sized(1000, 5000)) == ["model.depth", "model.target_params"]
    by_hand = ({}, {"model.depth": 3, "model.width": 8})
    assert "model.width" in keys(tmp_path / "c", *sized(1000), by_hand)
