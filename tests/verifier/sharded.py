"""Print whether a loss holds whose batch is split over two devices, and a wrong one does not."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import backproof.jax as bj
from tests.verifier.jax_models import mlp


def split(loss: Any, *, is_lost: bool) -> Any:
    """Return a loss whose batch is split. is_lost: whether the second device's part gets lost."""

    def part(params: Any, x: Any, labels: Any) -> Any:
        if is_lost:
            is_first = lax.axis_index("data") == 0
            params = jax.tree.map(lambda p: jnp.where(is_first, p, lax.stop_gradient(p)), params)
        return lax.pmean(loss(params, x, labels), "data")

    mesh = Mesh(jax.devices(), ("data",))
    return jax.shard_map(part, mesh=mesh, in_specs=(P(), P("data"), P("data")), out_specs=P())


if __name__ == "__main__":
    found, *arguments = mlp()
    for is_lost in (False, True):
        twin = split(found, is_lost=is_lost)
        print(bj.certify(found, *arguments, against=twin).holds)  # noqa: T201
