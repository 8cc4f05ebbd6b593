"""Fixtures and Hypothesis settings: no deadline, and in CI the same examples each time."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from backproof.adapters.isolation import isolated
from backproof.reference.article import audit, figures
from backproof.reference.article import golden as goldens
from backproof.reference.article.audit import Finding
from backproof.reference.article.figures import Article
from backproof.reference.article.golden import Golden
from backproof.running.implementations import Implementations
from backproof.running.options import TIME_LIMIT

settings.register_profile("backproof", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("backproof")


@pytest.fixture(scope="module", autouse=True)
def _processes_end() -> Iterator[None]:
    """End the processes of adapters that only the tests of one file use: each has its memory."""
    yield
    isolated.cache_clear()


@pytest.fixture(params=["float64", "float32"])
def precision(request: pytest.FixtureRequest) -> str:
    """A precision that can hold the article's five decimals."""
    return str(request.param)


@pytest.fixture(scope="session")
def article() -> Article:
    """The article: its network, symbols and figures."""
    return figures.load()


@pytest.fixture(scope="session")
def golden(article: Article) -> Golden:
    """The golden values."""
    return goldens.read(article)


@pytest.fixture(scope="session")
def findings(article: Article) -> dict[str, Finding]:
    """The audit: figure's id -> finding."""
    return {finding.id: finding for finding in audit.audit(article)}


@pytest.fixture(scope="session")
def implementations(article: Article) -> Implementations:
    """The numbers of both frameworks."""
    return Implementations(article, {"torch": None, "jax": None}, TIME_LIMIT)
