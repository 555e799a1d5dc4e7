"""The part of an identity that is for people: the network, what else was chosen, and what is swept most."""

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from overparam.paths import CONFIGS
from overparam.runs.published import PUBLISHED, RENAMED

# A letter, and the config key whose number follows it.
NUMBERS = (
    ("w", "model.width"),
    ("d", "model.depth"),
    ("n", "data.n_train"),
    ("p", "data.label_noise"),
    ("s", "seed"),
)


def readable(values: Mapping[str, Any], longest: int) -> str:
    """Return what a run with these flat values reads like, for example `mlp-sgd-cosine-w64-d1-n1200-p0.2-s0`.

    After the network's class come those of the other sections, in the order of the sections' names: each by the file
    that one chooses it by (`_words`). All of it follows from what counts: runs that are one read alike, however they
    were spelled.

    Args:
        values: see `identity.flat_values`.
        longest: the number of characters it may have; if need be, the words are cut short.
    """
    classes = {
        key.removesuffix("._target_"): str(value)
        for key, value in values.items()
        if (key.endswith("._target_") and key.count(".") == 1) or key in RENAMED.values()
    }
    network = next((classes.pop(section) for section in ("model", "module") if section in classes), "model")
    words = [_words().get(chosen, _own_name(chosen[1])) for chosen in sorted(classes.items())]
    words = [re.sub(r"\W", "_", word, flags=re.ASCII) for word in (_own_name(network), *words) if word]
    numbers = "".join(
        f"-{letter}{values[key]:g}" for letter, key in NUMBERS if isinstance(values.get(key), int | float)
    )
    return "-".join(words)[: longest - len(numbers)] + numbers


def _own_name(target: str) -> str:
    return target.rpartition(".")[2].lower()


@cache
def _words() -> dict[tuple[str, str], str]:
    """Return by section and class, as it is hashed, the file of the lab's configs that chooses it.

    The class of what train.yaml chooses is "": it goes without saying. A class that several files name is not in it.
    """
    entries = yaml.safe_load((CONFIGS / "train.yaml").read_text("utf-8"))["defaults"]
    usual = {group: file for entry in entries if isinstance(entry, dict) for group, file in entry.items()}
    files: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in CONFIGS.glob("*/[!.]*.yaml"):  # an editor's lock begins with a dot, and is a link to nothing
        if named := re.search(r"^_target_: *(\S+)", path.read_text("utf-8"), re.MULTILINE):
            files[path.parent.name, PUBLISHED.get(named[1], named[1])].append(path.stem)
    words = {chosen: "" if usual.get(chosen[0]) in names else names[0] for chosen, names in files.items()}
    return {chosen: word for chosen, word in words.items() if not word or len(files[chosen]) == 1}
