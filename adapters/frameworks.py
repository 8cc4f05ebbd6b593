"""The table of frameworks: what must be known about each before it is imported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal

from backproof.adapters import mindspore_gaps, paddle_gaps
from backproof.adapters.column import Column
from backproof.adapters.gaps import Why


@dataclass(frozen=True, slots=True)
class Traits:
    """How a framework or one of its variants runs.

    compiled: what is compiled before its first run: nothing, each op, or a pass as a whole.
    rewritten: whether a pass is rewritten as a whole, in a moment: nothing is compiled.
    share:    one of every `share` random networks is certified; 0 for none.
    slow:     whether a random network takes seconds.
    """

    compiled: Literal["", "ops", "passes"] = ""
    rewritten: bool = False
    share: int = 0
    slow: bool = False

    @property
    def compiles_passes(self) -> bool:
        """Whether a pass with probes and one without are two programs."""
        return self.compiled == "passes" or self.rewritten


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework.

    module:        the module of its adapter.
    package:       the package that must be installed, where its name is another one.
    traits:        the traits of its plain gradient.
    variants:      a transformation of the framework ("compile") -> the traits of the adapter under
                   it. The module's `variants` has the same keys.
    methods:       a method of forward mode or second order -> the op cases that it does not support
                   and the plain gradient does; or all that its adapter declares unsupported, where
                   that is known without the framework.
    libraries:     the names of its libraries of optimizers.
    trains_in:     the precisions in which options of optimizers are tried, in turn.
    process_state: the imported framework -> its process-wide settings, by name.
    by_default:    whether it is verified where no framework is named.
    """

    module: str
    package: str = ""
    traits: Traits = field(default_factory=Traits)
    variants: Mapping[str, Traits] = field(default_factory=dict)
    methods: Mapping[str, tuple[str, ...] | Mapping[str, Why]] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    trains_in: tuple[str, ...] = ("float64", "float32")
    process_state: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    by_default: bool = False


PASSES = Traits(compiled="passes")
NO_FORWARD_MODE = ("embedding-padding", "weight_norm", "weight_norm-last", "weight_norm-middle")

TABLE = {
    "torch": Framework(
        module="backproof.adapters.pytorch_autograd",
        traits=Traits(share=1),
        variants={
            "func": Traits(),
            "vmap": Traits(),
            "vmap_first": Traits(),
            "checkpoint": Traits(),
            "compile": Traits(compiled="passes", share=250, slow=True),
            "threads": Traits(),
            "compile_threads": PASSES,
        },
        methods={
            "jvp": NO_FORWARD_MODE,
            "forward-over-reverse": (*NO_FORWARD_MODE, "huber", "huber-delta", "hardsigmoid"),
            "reverse-over-forward": (*NO_FORWARD_MODE, "hardsigmoid", "glu", "glu-axis"),
            "reverse-over-reverse": ("hardsigmoid",),
        },
        libraries=("single", "foreach", "fused"),
        process_state=lambda torch: {
            "PyTorch's defaults": (
                torch.get_default_dtype(),
                torch.is_grad_enabled(),
                torch.get_num_threads(),
            )
        },
        by_default=True,
    ),
    "jax": Framework(
        module="backproof.adapters.jax_grad",
        traits=Traits(compiled="ops", share=25),
        variants={
            "jit": Traits(compiled="passes", share=50),
            "vmap": PASSES,
            "vmap_first": PASSES,
            "checkpoint": PASSES,
            "scan": PASSES,
        },
        methods={
            "jvp": (),
            "linearize": (),
            "forward-over-reverse": (),
            "reverse-over-forward": (),
            "reverse-over-reverse": (),
        },
        libraries=("optax",),
        process_state=lambda jax: {"JAX's configuration": repr(jax.config.values)},
        by_default=True,
    ),
    "autograd": Framework(module="backproof.adapters.autograd_grad", traits=Traits(share=10)),
    "mlx": Framework(
        module="backproof.adapters.mlx_grad",
        traits=Traits(share=10),
        libraries=("optimizers",),
        trains_in=("float32",),
    ),
    "mygrad": Framework(module="backproof.adapters.mygrad_backward", traits=Traits(share=10)),
    "micrograd": Framework(module="backproof.adapters.micrograd_engine", traits=Traits(share=10)),
    "casadi": Framework(
        module="backproof.adapters.casadi_symbolic",
        traits=Traits(share=10),
        methods={"jvp": (), "forward-over-reverse": ()},
    ),
    "paddle": Framework(
        module="backproof.adapters.paddle_grad",
        traits=Traits(share=10),
        variants={"to_static": PASSES},
        methods={"reverse-over-reverse": paddle_gaps.UNSUPPORTED},
        libraries=("optimizer",),
    ),
    "pytensor": Framework(
        module="backproof.adapters.pytensor_grad",
        traits=Traits(rewritten=True),
        variants={"numba": PASSES},
        methods={"jvp": (), "pushforward": (), "reverse-over-reverse": ()},
    ),
    "mindspore": Framework(
        module="backproof.adapters.mindspore_grad",
        traits=Traits(share=10),
        methods={"reverse-over-reverse": mindspore_gaps.UNSUPPORTED},
        libraries=("experimental",),
        trains_in=("float32",),
    ),
    "tinygrad": Framework(
        module="backproof.adapters.tinygrad_gradient",
        traits=Traits(compiled="ops", slow=True),
        libraries=("optim",),
        trains_in=("float32",),
    ),
    "tensorflow": Framework(
        module="backproof.adapters.tensorflow_tape",
        traits=Traits(share=10),
        variants={"function": PASSES, "function_jit": PASSES},
        methods={
            "jvp": ("upsample", "upsample-3", "softsign"),
            "forward-over-reverse": (
                *("upsample", "upsample-3", "bce_with_logits-pos_weight", "softsign"),
            ),
        },
    ),
}
TABLE |= {
    f"keras_{backend}": Framework(
        module=f"backproof.adapters.keras_{backend}",
        package="keras",
        traits=traits,
        libraries=("optimizers",),
        trains_in=("float32",),
    )
    for backend, traits in (
        ("tensorflow", Traits()),
        ("jax", Traits(compiled="ops")),
        ("torch", Traits()),
    )
}
"""Name of a framework, and of its package if that has no other name -> the framework."""


DEFAULT = {name: one for name, one in TABLE.items() if one.by_default}
"""The frameworks that are verified where none is named."""

OWN: dict[str, Framework] = {}
"""Name of your own adapter -> what its process says of it; filled before tests are collected."""


def package(name: str) -> str:
    """Return the package that must be installed for a framework."""
    return row(name).package or name


def is_installed(name: str) -> bool:
    """Return whether the package of a framework is installed; nothing is imported."""
    return find_spec(package(name)) is not None


def row(name: str) -> Framework:
    """Return what is known of a framework or of your own adapter; of the reference, nothing."""
    return TABLE.get(name) or OWN.get(name) or Framework(module="")


def traits(column: Column) -> Traits:
    """Return the traits of a column: those of its variant, or else of its framework.

    The reference and your own adapter compile nothing.
    """
    framework = TABLE.get(column.framework)
    if framework is None:
        return Traits(share=1)
    return framework.variants.get(column.variant, framework.traits)
