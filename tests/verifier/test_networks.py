"""The suite's verdicts on networks: a wrong adapter is refuted, and findings are strict."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from backproof.campaign import saved_graphs
from backproof.reference import findings
from backproof.reference.article.figures import Article
from backproof.reference.findings import UNDERFLOW, KnownFinding, Sighting, Underflow
from backproof.reference.fixtures import FixtureError
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.known import FORMULAS
from backproof.reference.verdict.link import Link, Quantity
from backproof.report import tables
from backproof.report.cells import NETWORKS, Cell, RefutedError
from backproof.running.certificates import Certificates
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge
from backproof.scenarios import networks
from backproof.scenarios.derivatives import DIFFERENTIATED
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES
from backproof.scenarios.trainings import OPTIONS, TRAINED
from backproof.scenarios.variants import VARIED

WRONG = """
from collections.abc import Sequence
from dataclasses import dataclass, replace
from backproof.adapters.pytorch_autograd import adapter as right

def value_and_grad(loss, tensors):
    values, gradients = right.value_and_grad(loss, tensors)
    gradients["W2"] = gradients["W2"] * {factor}
    return values, gradients

adapter = replace(right, value_and_grad=value_and_grad)
"""


@pytest.mark.parametrize(("factor", "verdict"), [("2", "refuted"), ("(1 + 2**-30)", "refuted")])
def test_a_wrong_adapter(article: Article, tmp_path: Path, factor: str, verdict: str) -> None:
    """A gradient off by a factor is found at its link, and the factor two is named."""
    path = tmp_path / "wrong.py"
    path.write_text(WRONG.format(factor=factor), encoding="utf-8")
    certificates = Certificates(Implementations(article, {"wrong": path}))
    found = certificates.of("wrong", "32-64-64-10", "float64", 0)
    red = [(link.name, link.verdict) for link in found.links if link.verdict != "inside"]
    (first, *_) = certificates.explanation("wrong", "32-64-64-10", "float64", 0, found)

    assert red == [("dE/dW2", verdict), ("dE/dW2 without probes", verdict)]
    assert first.link.name == "dE/dW2"
    assert ("gradient accumulated twice" in first.faults) == (factor == "2")


INSIDE = Link(Quantity("value", "net1"), "inside", "float64", entries=1, share=0.5)
DEGRADED = replace(
    INSIDE, quantity=Quantity("derivative", "net1"), verdict="degraded", precision="float32"
)
REFUTED = replace(DEGRADED, verdict="refuted")
UNDECIDED = replace(DEGRADED, verdict="undecided", precision="float64", rad=1.0)
UNDERFLOWN = replace(UNDECIDED, underflows=True)
NOT_JUDGED = replace(REFUTED, problem="not judged: its operand dE/dnet2 is not finite")
FORMULA = "softmax in float32"
SEEN = Sighting(formula=FORMULA, columns=("a",), cases=("article",), precisions=("float64",))
TINY = Underflow(cases=("article",), precisions=("float64",))


def recorded(version: str = "1", **seen: Any) -> KnownFinding:
    """Return a finding that is seen where SEEN is, except for the fields given."""
    where = (replace(SEEN, **seen),)
    said = ("a computes it in float32", "net1", "1", "2", "print(1)")
    return KnownFinding("a", version, version, *said, where)


KNOWN = recorded()
SOMETIMES = replace(KNOWN, sometimes=True)


@dataclass(frozen=True)
class Predicted:
    """A formula that predicts the numbers of some links, and concerns all derivatives."""

    links: tuple[Link, ...]

    def concerns(self, formula: str, quantity: Quantity) -> bool:
        """Return whether it is the formula of a derivative."""
        return formula == FORMULA and quantity.kind == "derivative"

    def missed(self, formula: str, quantity: Quantity) -> str | None:
        """Return what is predicted instead."""
        held = self.concerns(formula, quantity) and quantity in [x.quantity for x in self.links]
        return None if held else "predicts 1.0 +- 0, found 12345.0"


def verdict(
    links: Sequence[Link],
    known: Sequence[KnownFinding] = (),
    predicted: Sequence[Link] = (DEGRADED,),
    *,
    seed: int = 0,
    column: str = "a",
    underflows: Sequence[Underflow] = (),
) -> str:
    """Return what the judge says of a certificate: "agrees", "known: ..." or why it fails."""
    certificate = Certificate("article", "float64", tuple(links))
    implementations: Any = None
    judge = Judge(implementations, known, "this", lambda _: None, underflows)
    of = ("its own numbers", "1", "float64", seed, "every link", "networks")
    cell = Cell("article", column, *of)
    try:
        judge.report_verdict(certificate, cell, Predicted(tuple(predicted)))
    except (RefutedError, pytest.xfail.Exception) as outcome:
        said = str(outcome)
    else:
        said = "agrees"
    assert said.startswith("known: ") == bool(cell.known)
    return said


@pytest.mark.parametrize(
    ("links", "known", "seed", "said"),
    [
        ([INSIDE], [], 0, "agrees"),
        ([INSIDE, DEGRADED], [KNOWN], 0, "known: a computes it in float32"),
        ([INSIDE, REFUTED], [KNOWN], 0, "known: a computes it in float32"),
        ([INSIDE, UNDECIDED], [KNOWN], 0, "known: a computes it in float32"),
        ([INSIDE, DEGRADED], [], 0, "a, article, float64, seed 0: dE/dnet1"),
        ([INSIDE], [KNOWN], 0, "no longer seen: a computes it in float32"),
        ([INSIDE], [KNOWN], 1, "agrees"),  # other numbers may not show it
        ([INSIDE, DEGRADED], [KNOWN], 1, "known: "),
        ([INSIDE, DEGRADED], [recorded(version="2")], 0, "as recorded for a 2: a computes it in"),
        ([INSIDE, DEGRADED], [recorded(columns=("b",))], 0, "seed 0: dE/dnet1"),
        ([INSIDE, DEGRADED], [recorded(cases=("gpt",))], 0, "known: "),  # its numbers decide
        ([INSIDE], [recorded(cases=("gpt",))], 0, "agrees"),
        ([INSIDE, DEGRADED], [recorded(precisions=("float32",))], 0, "seed 0: dE/dnet1"),
        ([INSIDE], [SOMETIMES], 0, "agrees"),
        ([INSIDE, DEGRADED], [SOMETIMES], 0, "known: "),
        ([INSIDE, DEGRADED], [replace(SOMETIMES, first="2", last="2")], 0, "as recorded for a 2"),
    ],
)
def test_findings_are_strict(
    links: list[Link], known: list[KnownFinding], seed: int, said: str
) -> None:
    """A link is known if a finding predicts its numbers, and a recorded finding must be seen."""
    assert said in verdict(links, known, seed=seed)


def test_a_finding_excuses_what_it_predicts_alone() -> None:
    """Other numbers at the place of a finding are new, and the message says what it predicts."""
    said = verdict([INSIDE, DEGRADED], [KNOWN], predicted=[])

    assert "seed 0: dE/dnet1: degraded" in said
    assert (
        "not as recorded for a 1: a computes it in float32; "
        "it predicts 1.0 +- 0, found 12345.0" in said
    )
    assert "no longer seen: a computes it in float32" in said


def test_a_variant_has_the_findings_of_its_adapter() -> None:
    """They are known where their numbers are seen, and need not be seen."""
    assert verdict([INSIDE, DEGRADED], [KNOWN], column="a.jit").startswith("known: ")
    assert verdict([INSIDE], [KNOWN], column="a.jit") == "agrees"


def test_what_follows_from_nan_is_no_second_finding() -> None:
    """A link that is not judged has its cause in an earlier one, which must be known itself."""
    assert verdict([INSIDE, DEGRADED, NOT_JUDGED], [KNOWN]).startswith("known: ")
    assert "dE/dnet1: degraded" in verdict([INSIDE, DEGRADED, NOT_JUDGED], [])
    assert "dE/dnet1: refuted: not judged" in verdict([INSIDE, NOT_JUDGED], [], [])


def test_an_underflow_must_be_declared() -> None:
    """An undecided link fails, unless an underflow is declared and its numbers underflow."""
    later = replace(UNDECIDED, quantity=Quantity("derivative", "W1"))

    def declared(*links: Link) -> str:
        return verdict([INSIDE, *links], predicted=[], underflows=[TINY])

    assert declared(UNDERFLOWN) == f"known: {UNDERFLOW}"
    assert "dE/dnet1" in verdict([INSIDE, UNDERFLOWN], predicted=[])
    assert "dE/dW1" in declared(UNDERFLOWN, later)
    assert "dE/dnet1" in declared(UNDECIDED)
    assert "dE/dnet1" in declared(REFUTED)
    assert declared() == "agrees"
    assert verdict([UNDERFLOWN], predicted=[], column="mine", underflows=[TINY]).startswith("known")


def test_declared_underflows_are_those_of_the_reference(article: Article) -> None:
    """The true numbers underflow in the reference's own pass too, and nothing else is wrong."""
    certificates, declared = Certificates(Implementations(article, {})), findings.load_underflows()
    found = [certificates.of("reference", case, "float32", 0) for x in declared for case in x.cases]

    assert found
    assert [{link.underflows for link in one.wrong} for one in found] == [{True}] * len(found)


END_TO_END = replace(REFUTED.quantity, end_to_end=True)


@pytest.mark.parametrize(
    ("links", "proof", "verdict", "said"),
    [
        ([INSIDE, UNDECIDED], "inside", "undecided", "dE/dnet1: undecided: nan +- 1"),
        ([UNDECIDED, REFUTED], "inside", "refuted", "dE/dnet1: refuted: 0 of 1"),
        ([INSIDE], "refuted", "refuted", "dE/dnet1 end to end: refuted: 0 of 1"),
        ([], "inside", "refuted", "nothing is certified"),
    ],
)
def test_what_fails_a_run(links: list[Link], proof: Any, verdict: str, said: str) -> None:
    """An undecided link fails, refuted ones come before it; so do a refuted proof, and no link."""
    proofs = (replace(REFUTED, quantity=END_TO_END, verdict=proof),)
    certificate = Certificate("article", "float64", tuple(links), proofs)
    implementations: Any = None
    cell = Cell("article", "a", "its own numbers", "1", "float64", 0, "every link", "networks")
    with pytest.raises(AssertionError, match=re.escape(f"a, article, float64, seed 0: {said}")):
        Judge(implementations, (), "this", lambda _: None).report_verdict(certificate, cell)

    assert verdict == cell.verdict


def test_an_undecided_proof_is_reported_alone() -> None:
    """An end-to-end bound that proves nothing leaves the certificate as it is, and is counted."""
    proofs = [replace(INSIDE, quantity=END_TO_END, verdict=v) for v in ("inside", "undecided")]
    certificate = Certificate("article", "float64", (INSIDE,), tuple(proofs))
    implementations: Any = None
    cell = Cell("article", "a", "its own numbers", "1", "float64", 0, "every link", "networks")
    Judge(implementations, (), "this", lambda _: None).report_verdict(certificate, cell)

    assert (cell.decided, cell.end_to_end) == (1, 2)
    assert [link[:2] for link in cell.chain] == [
        ["net1", "inside"],
        ["dE/dnet1 end to end", "inside"],
        ["dE/dnet1 end to end", "undecided"],
    ]


@pytest.mark.parametrize(
    ("link", "scale", "said"),
    [
        (replace(UNDERFLOWN, precision="float16"), 1, "Certify it under a loss scale"),
        (replace(UNDERFLOWN, precision="float16"), 64, "under a loss scale of 64 too"),
        (replace(UNDECIDED, precision="float16"), 64, "Rounding to float16 may leave"),
        (replace(UNDERFLOWN, precision="bfloat16"), 1, "The true numbers underflow: "),
        (replace(UNDECIDED, precision="float32"), 1, "Rounding to float32 may leave"),
        (replace(UNDERFLOWN, quantity=INSIDE.quantity, precision="float16"), 1, "underflow: "),
    ],
)
def test_what_to_do_about_an_undecided_link(link: Link, scale: float, said: str) -> None:
    """The message says that a loss scale is missing, or that the numbers underflow or cancel."""
    certificate = Certificate("one", link.precision, (link,), scale=scale)

    assert said in str(certificate)
    assert "\n" not in str(certificate)


OF_NONE = (
    "[[finding]]\nadapter = 'torch'\n"
    "where = [{ formula = 'FORMULA', columns = ['jax'], cases = [], precisions = [] }]\n"
).replace("FORMULA", next(iter(FORMULAS))) + "".join(
    f"{key} = ''\n" for key in ("first", "last", "cause", "point", "seen", "proven", "reproducer")
)

OF_AN_UNKNOWN_FORMULA = OF_NONE.replace(next(iter(FORMULAS)), "guessed")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[finding]", "findings.toml: "),
        (
            "[[finding]]\nadapter = 'torch'",
            "findings.toml: finding 1: 'first' is a required property",
        ),
        ("findings = []", "findings.toml: Additional properties are not allowed ('findings' was"),
        ("finding = [1]", "findings.toml: finding 1: 1 is not of type 'object'"),
        (OF_NONE, "finding 1: first, last: Invalid version: ''"),
        (f"{OF_NONE}sometimes = 'yes'", "finding 1: sometimes: 'yes' is not of type 'boolean'"),
        (f"{OF_NONE}processors = 'AVX2'", "finding 1: processors: 'AVX2' is not of type 'array'"),
        (f"{OF_NONE}processors = ['AVX3']", "finding 1: processors 1: 'AVX3' is not one of ['DEF"),
        (f"{OF_NONE}processor = ['AVX2']", "finding 1: Additional properties are not allowed"),
        (OF_NONE.replace("'torch'", "'trch'"), "finding 1: adapter: 'trch' is not one of ['ref"),
        (OF_NONE.replace("'jax'", "'jax.jti'"), "where 1: columns 1: 'jax.jti' is not one of"),
        (OF_AN_UNKNOWN_FORMULA, "finding 1: unknown formulas ['guessed']"),
    ],
)
def test_malformed_findings(tmp_path: Path, text: str, message: str) -> None:
    """The error on a malformed file of findings names file, place and expectation."""
    path = tmp_path / "findings.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(FixtureError) as caught:
        findings.load(path)
    assert message in str(caught.value)


def test_seen_on_a_processor() -> None:
    """A finding is looked for only on its processors, or on all if it names none."""
    everywhere = findings.load()[0]
    there = replace(everywhere, processors=("AVX2",))

    assert findings.seen_here([everywhere, there], lambda _: ("AVX2",)) == (everywhere, there)
    assert findings.seen_here([everywhere, there], lambda _: ("AVX512", "AMX")) == (everywhere,)


def test_recorded_findings_are_of_cases() -> None:
    """Every case of a recorded finding is a network, an op alone or a training that is run."""
    sightings = [one for finding in findings.load() for one in finding.where]
    cases = {case for one in sightings for case in one.cases}
    cases |= {case for one in findings.load_underflows() for case in one.cases}
    kept = [f"campaign/{name}" for name in saved_graphs.kept()]
    trained = {f"{optimizer}/{network}" for optimizer in OPTIONS for network in TRAINED}

    assert cases <= {*OP_CASES, *CASES, *VARIED, *DIFFERENTIATED, *kept, *trained}


def test_a_line_a_network() -> None:
    """A network's row has links, RED if it fails, links not inside, worst share, proven digits."""
    cell = Cell("n", "torch", "its own numbers", "1", "", 0, "every link", NETWORKS, "agrees",
                links=4, inside=4, entries=10, properties=["flushes"], end_to_end=3)  # fmt: skip
    cells = [
        replace(cell, precision=p, digits=digits, proven=proven, share=share, decided=decided)
        for p, digits, proven, share, decided in (
            ("float64", 15.07, 12.38, 0.5, 3),
            ("float32", 6.51, 4.0, 0.25, 2),
        )
    ]
    red, undecided, known = (
        [replace(cells[0], verdict=verdict, inside=3, undecided=n), cells[1]]
        for verdict, n in (("refuted", 0), ("undecided", 1), ("known", 0))
    )
    end = ["20", "0.50", "12.3", "4.0"]

    assert last(tables.networks(cells)) == ["n", "8/8", "-", "-", *end]
    assert last(tables.networks(red)) == ["n", "7/8", "RED", "-", "-", *end]
    assert last(tables.networks(undecided)) == ["n", "7/8", "RED", "1", "-", *end]
    assert last(tables.networks(known)) == ["n", "7/8", "-", "1", *end]
    assert last(tables.grid(undecided, NETWORKS)) == ["n", "7/8", "1", "undecided", "RED"]
    assert last(tables.grid(known, NETWORKS)) == ["n", "7/8", "1", "known"]
    assert last(tables.end_to_end(cells)) == ["n", "3/3", "15.0", "2/3", "6.5"]
    assert tables.end_to_end([replace(cell, precision="float64", end_to_end=0)]) == ""
    assert last(tables.properties(cells)) == ["torch", "flushes", "n", "f64,", "n", "f32"]
    assert tables.networks([]) == tables.properties([]) == ""


def last(text: str) -> list[str]:
    """Return the words of a table's last line."""
    return text.splitlines()[-1].split()


def test_nothing_is_left_out() -> None:
    """Every network is run in some precision, and --large runs every network in all precisions."""
    names = ["reference", "torch", "jax"]
    asked = {param.values for param in networks.parameters(names, 1, large=False)}
    everything = {(n, c, 0, p) for n, c, p in product(names, CASES, PRECISIONS)}
    left_out = {(n, c) for n, c, _, _ in everything - asked if not CASES[c].is_large}

    assert {(n, c) for n, c, _, _ in asked} == {
        (n, c) for n, c in product(names, CASES) if not CASES[c].is_large
    }
    assert left_out == {("jax", c) for c in CASES if CASES[c].exceptions}
    assert {param.values for param in networks.parameters(names, 1, large=True)} == everything
