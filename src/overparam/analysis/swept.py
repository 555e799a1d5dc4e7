"""What was swept: the axes of a table of runs."""

import polars as pl

from overparam.analysis.collect import STARTS
from overparam.runs.choices import CHOICES, TARGET_PARAMS
from overparam.runs.identity import counts, is_config_key
from overparam.runs.keys import SCATTERED

WIDTH = "model.width"
# Keys that a person sets, on which others may depend.
SET_FIRST = (
    *(TARGET_PARAMS, WIDTH, "model.depth", "data.n_train", "trainer.max_steps"),
    *("data.label_noise", "optimizer.lr"),
)


def swept(table: pl.DataFrame) -> list[str]:
    """Return the config keys that differ between runs, those with most values first.

    A group of which several files were chosen is one key, `choices.<group>`, with all that follows from it; of runs
    that recorded no choices it is `<group>._target_`. Left out are seeds, which are repetitions, as are the pretrained
    weights of different seeds, and keys that another swept key determines: an optimizer's own learning rate, the
    length of a schedule that follows `trainer.max_steps`. So is a width that was chosen for a size.
    """
    keys = [key for key in table.columns if is_config_key(key) and "seed" not in key]
    if WIDTH in keys and TARGET_PARAMS in keys and not table[TARGET_PARAMS].has_nulls():
        keys.remove(WIDTH)
    sizes = {key: table[key].n_unique() for key in keys if key not in STARTS}
    varied = [key for key in sizes if sizes[key] > 1]
    values = [key for key in varied if not is_choice(key)]
    named = [key for key in varied if is_choice(key) and _is_an_axis(table, key, keys, values)]
    # Groups first, for the rest follows from them, and experiments before the groups they choose from. Of two keys that
    # determine each other the one that a person sets is kept, hence width before the rest.
    groups = sorted(filter(_is_group, [*named, *values]), key=lambda key: (_rank(key)[0], -sizes[key], key))
    others = [key for key in values if not _is_group(key)]
    ordered = [*groups, *sorted(others, key=lambda key: (-sizes[key], _rank(key)))]
    kept: list[str] = []
    for key in ordered:
        if not any(table.select(other, key).n_unique() == sizes[other] for other in kept):
            kept.append(key)
    return sorted(kept, key=lambda key: (-sizes[key], not _is_group(key), _rank(key)))


def is_choice(key: str) -> bool:
    """Return whether a column holds the choice of a group."""
    return key.startswith(f"{CHOICES}.")


def _is_an_axis(table: pl.DataFrame, choice: str, keys: list[str], varied: list[str]) -> bool:
    """Return whether a group's choices stand for values of their own: another name for equal values tells nothing."""
    if table.select(pl.all_horizontal(pl.col(key).is_null() for key in filter(is_choice, keys)).any()).item():
        return False  # a run of before choices were recorded
    group = choice.removeprefix(f"{CHOICES}.")
    section = group.partition("@")[2] or group.replace("/", ".")
    if not counts(section):
        return False
    own = [key for key in keys if key == section or key.startswith(f"{section}.")]
    inside = (
        [key for key in varied if key in own] if own else varied
    )  # a group may have no section of its own
    count = table[choice].n_unique()
    follow = [key for key in inside if table.select(choice, key).n_unique() == count]
    return bool(follow) and table.select(follow).n_unique() == count


def _is_group(key: str) -> bool:
    return is_choice(key) or key == "loss" or key.endswith("._target_")


def _rank(key: str) -> tuple[int, str]:
    if is_choice(key):
        # An experiment brings choices of other groups.
        return (-1 - (key.removeprefix(f"{CHOICES}.") in SCATTERED), key)
    return (SET_FIRST.index(key) if key in SET_FIRST else len(SET_FIRST) + key.startswith("scheduler"), key)
