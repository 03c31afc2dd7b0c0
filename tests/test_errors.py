"""Sets, not only cases: every error has a status, and a code of its own or of what it is a kind of."""

from collections.abc import Iterator

import pytest

from widgetsvc.errors import ServiceError, UpstreamError
from widgetsvc.web.error_handlers import STATUSES


def subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for child in error.__subclasses__():
        yield child
        yield from subclasses(child)


ERRORS = [error for error in subclasses(ServiceError) if error is not UpstreamError]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_a_status(error: type[ServiceError]) -> None:
    (coded, *_) = [kind for kind in error.mro() if "code" in vars(kind)]

    assert coded in STATUSES


def test_codes_are_unique() -> None:
    codes = [error.code for error in ERRORS if "code" in vars(error)]

    assert len(codes) == len(set(codes))
