"""The tenants of a fresh database."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from tests.clocks import FakeClock
from widgetsvc.gateway.tenants import TenantDirectory


@pytest.fixture
def tenants(engine: Engine, clock: FakeClock) -> TenantDirectory:
    return TenantDirectory(engine, Fernet(Fernet.generate_key()), clock)
