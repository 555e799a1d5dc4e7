"""What every network asks of its arguments, refused with the same single line everywhere."""


def check_positive_integer(name: str, value: int) -> None:
    """Checks that the knob `name` is a positive integer.

    Raises:
        ValueError: for anything else, `True` included.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")


def check_width(width: int) -> None:
    """Checks that `width` is a positive integer; see `check_positive_integer`."""
    check_positive_integer("width", width)


def check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Checks that the knob `name` has one of the `allowed` values.

    Raises:
        ValueError: listing the allowed values.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")


def image_channels(input_shape: tuple[int, ...]) -> int:
    """The channel count C of images (C, H, W), for networks that convolve.

    Raises:
        ValueError: if the samples are not images.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"a convolutional network needs images (C, H, W), but this data set has samples of shape "
            f"{tuple(input_shape)}: choose an image data set, or model=mlp, linear or random_features"
        )
    return input_shape[0]
