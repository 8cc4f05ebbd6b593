"""Every op of a recorded program is known again from its file."""

import json
from typing import Any

import numpy as np
import pytest

from backproof.traces.as_json import node_of_json, node_to_json
from backproof.traces.json_object import Object
from tests.verifier.calls import FAMILIES
from tests.verifier.lazy import Lazy

pytestmark = pytest.mark.filterwarnings(
    "ignore:index_reduce.. is in beta", "ignore:torch.(qr|lu_solve) is deprecated"
)

torch, programs = map(Lazy, ("torch", "backproof.adapters.torch_program"))


def again(node: Any) -> Any:
    """Return a node as it is read from what was written."""
    arrays = dict[str, Any]()

    def keep(a: Any) -> str:
        name = f"array {len(arrays)}"
        arrays[name] = a
        return name

    content = json.loads(json.dumps(node_to_json(node, keep)))
    return node_of_json(Object(content, node.name), arrays.__getitem__, {})


@pytest.mark.parametrize("order", ["first order", "second order"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_op_is_known_from_a_file(family: str, order: str) -> None:
    """So is the derivative of one, and an op that has another name in the program."""

    def loss(program: Any, w: Any) -> Any:
        x = w * 1
        y = torch.sigmoid(program(x)).sum()
        if order == "first order":
            return y
        (d,) = torch.autograd.grad(y, x, create_graph=True, allow_unused=True)
        return d.square().sum() + x.sum()

    seen = 0
    for program in FAMILIES[family].values():
        torch.manual_seed(0)
        w = torch.randn(4, 4, requires_grad=True)
        try:
            recording = programs.record(lambda p=program, w=w: loss(p, w), {"w": w}, family)
        except (RuntimeError, AttributeError):  # it has no second derivative
            continue
        seen += 1
        for one in (recording, *recording.inner):
            lost = [
                node.op for node in one.network.nodes if node.is_known and not again(node).is_known
            ]
            assert lost == []
            for node in one.network.nodes:
                np.testing.assert_equal(again(node).options, node.options)
    assert seen > len(FAMILIES[family]) / 3
