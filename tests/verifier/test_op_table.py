"""Every op of PyTorch's own table is certified on its sample inputs, and none is refuted."""

import pytest

from tests.verifier.lazy import Lazy

torch, table = map(Lazy, ("torch", "tests.verifier.op_table"))


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_no_op_is_refuted(precision: str) -> None:
    """What is known of an op is right, in every way to call it; the rest is named, as not known."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest", reason="PyTorch's table needs it")
    dtype = getattr(torch, precision)
    wrong = {
        f"{op.name} {op.variant_test_name}": said
        for op in table.ops(dtype)
        for verdict, said in table.verdicts(op, dtype, 2)
        if verdict in ("refuted", "degraded", "raises")
    }

    assert wrong == {}
