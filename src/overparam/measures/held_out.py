"""Error on samples kept from training: what a hyperparameter, or a time to stop, may be chosen by."""

import math

from overparam.measures.subject import Subject
from overparam.ranges import PositiveInt


def held_out(subject: Subject, batch_size: PositiveInt = 2048) -> dict[str, float]:
    """Measure the network on the `data.held_out` samples, whose labels are corrupted like those trained on.

    With the test set for this, a choice would be made by what is to judge it. Returns `held_out_loss` and
    `held_out_error` (misclassification rate, or mean squared error); NaN without such samples. Costs a forward
    pass over them.

    Args:
        subject: the network.
        batch_size: samples a forward pass.
    """
    if subject.held_out is None:
        return {"held_out_loss": math.nan, "held_out_error": math.nan}
    assert subject.evaluate is not None
    found = subject.evaluate(subject.held_out, batch_size)
    return {"held_out_loss": found["loss"], "held_out_error": found["error"]}
