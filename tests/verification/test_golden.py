"""The golden file: every value is what the reference proves today."""

from fractions import Fraction
from itertools import pairwise

import pytest

from backproof.reference.article import figures
from backproof.reference.article.figures import Article
from backproof.reference.article.golden import Golden, file, generate, kept, prove, trajectory
from backproof.reference.fixtures import places
from backproof.reference.numbers.exact import Number, rational, round_half_up, workprec
from backproof.reference.training import Iteration


def test_file(article: Article) -> None:
    """The file is byte for byte what `make golden` writes."""
    assert generate(article) == file(article).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def proven(article: Article) -> dict[int, Iteration]:
    """The article's two iterations over Arb balls."""
    with workprec():
        return prove(article, article.iterations)


def test_value(
    article: Article, golden: Golden, proven: dict[int, Iteration], iteration: int, quantity: str
) -> None:
    """All digits of a golden value are proven: it is the proven value, rounded half up."""
    value = golden.iterations[iteration][quantity]

    assert value == rounded_to(article.addresses[quantity].of(proven[iteration]), value)


@pytest.fixture(scope="module")
def proven_trajectory(article: Article) -> dict[int, dict[str, str]]:
    """Loss and output after 0 to 10,000 updates, over Arb balls."""
    return trajectory(article, [*kept(article), 9_999])


@pytest.mark.parametrize("updates", kept(figures.load()))
def test_trajectory(
    proven_trajectory: dict[int, dict[str, str]], golden: Golden, updates: int
) -> None:
    """Loss and output after each kept number of updates are proven."""
    assert proven_trajectory[updates] == golden.trajectory[updates]


@pytest.mark.parametrize(
    ("updates", "loss", "output"),
    [
        (10_000, "0.0000184441423679", "0.01607357265"),
        (9_999, "0.0000184476103475", "0.01607414362"),
    ],
)
def test_after_thousands_of_updates(
    proven_trajectory: dict[int, dict[str, str]], updates: int, loss: str, output: str
) -> None:
    """The loss approaches zero and the output 0.01. Updates are counted, not iterations."""
    found = proven_trajectory[updates]

    assert rounded_to(rational(found["E"]), loss) == loss
    assert rounded_to(rational(found["out_o1"]), output) == output


def rounded_to(value: Number, example: str) -> str:
    """Return a number rounded half up to as many places as the example has."""
    return f"{round_half_up(value, places(example)):f}"


def test_loss_falls_towards_zero(article: Article) -> None:
    """Every one of 10,000 updates lowers the loss, and the output, which stays above 0.01."""
    steps = range(10_001)
    found = trajectory(article, steps)
    losses = [Fraction(found[n]["E"]) for n in steps]
    outputs = [Fraction(found[n]["out_o1"]) for n in steps]

    assert all(after < before for before, after in pairwise(losses))
    assert all(after < before for before, after in pairwise(outputs))
    assert losses[-1] > 0
    assert outputs[-1] > Fraction("0.01")
