"""Requests that wait for the test to decide what becomes of them."""

from collections.abc import Callable

from playwright.sync_api import Page, Route


class Held:
    """Keeps a page's requests for an address waiting until they are let go or fail; later ones fare alike."""

    def __init__(self, page: Page, url: str) -> None:
        self._held: list[Route] = []
        self._deal: Callable[[Route], object] = self._held.append
        page.route(url, self._receive)

    def _receive(self, route: Route) -> None:
        self._deal(route)

    def let_go(self) -> None:
        self._end(lambda route: route.continue_())

    def fail(self) -> None:
        self._end(lambda route: route.abort())

    def _end(self, deal: Callable[[Route], object]) -> None:
        self._deal = deal
        while self._held:
            deal(self._held.pop())
