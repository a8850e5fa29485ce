from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .mock_server import Mock, Script, running

Serve = Callable[..., Mock]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(**script) starts a mock server that ends with the test."""
    with ExitStack() as stack:
        yield lambda **script: stack.enter_context(running(Script(**script)))
