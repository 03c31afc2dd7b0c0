"""Sets, not only cases: every error has a code of its own and a status."""

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
    assert error in STATUSES


def test_codes_are_unique() -> None:
    codes = [error.code for error in ERRORS]

    assert len(codes) == len(set(codes))
