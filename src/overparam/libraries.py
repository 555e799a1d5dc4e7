"""What libraries say of themselves, of which nothing is for the person who trains."""

import logging
import warnings


def hush() -> None:
    """Leave out Lightning's tips, what libraries are about to change in themselves, and compilers that are not used.

    Warnings of libraries about what a config asks for are none of these.
    """
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
