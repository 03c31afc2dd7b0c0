"""Signed access: a tenant's assertions, verified with its keys, and used up where each is good once."""

from widgetsvc.clock import Clock
from widgetsvc.gateway.assertions import Assertion, FindKey, verify_assertion
from widgetsvc.gateway.key_sets import KeySets
from widgetsvc.gateway.registry import KnownTenant, TenantRegistry
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.used_assertions import UsedAssertions


class SignedAccess:
    """Verifies assertions made for `audience`, the service's public URL."""

    def __init__(
        self,
        registry: TenantRegistry,
        key_sets: KeySets,
        used: UsedAssertions,
        audience: str,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._key_sets = key_sets
        self._used = used
        self._audience = audience
        self._clock = clock

    def verify(self, known: KnownTenant, token: str) -> Assertion:
        """Return what an assertion says. Raises InvalidAssertion, ExpiredAssertion."""
        return verify_assertion(
            token,
            find_key=self._find_key(known),
            issuer=known.tenant.slug,
            audience=self._audience,
            now=self._clock(),
        )

    def use(self, tenant: Tenant, assertion: Assertion) -> None:
        """Use an assertion up where the tenant's are good once. Raises InvalidAssertion."""
        if tenant.policy.single_use_assertions:
            self._used.use(tenant, assertion)

    def _find_key(self, known: KnownTenant) -> FindKey:
        """Keys that the tenant has registered, and after them those of the set that it publishes."""
        registered = self._registry.signing_keys(known).get
        if known.tenant.jwks_url is None:
            return registered
        return lambda kid: registered(kid) or self._key_sets.find(known.tenant, kid)
