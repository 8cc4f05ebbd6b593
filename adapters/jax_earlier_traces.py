"""Custom functions that were traced before the loss was called: their rules have no marks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from jax.extend import linear_util
from jax.extend.core.primitives import custom_jvp_call_p, custom_vjp_call_p

from backproof.adapters.jax_marks import is_array, marked, not_seen
from backproof.adapters.jax_places import CALLS

WHY = "it was traced before the loss was called, so that the rule is not seen that is applied to it"


@contextmanager
def named_earlier(is_marking: Callable[[], bool]) -> Iterator[None]:
    """Mark, as rules that are not seen, those of functions that were traced before."""

    def of(primitive: Any) -> Any:
        own = type(primitive).get_bind_params

        def get_bind_params(self: Any, params: Mapping[str, Any]) -> Any:
            found = own(self, params)
            *others, rule = found["subfuns"]
            if rule.debug_info.func_filename == CALLS or not is_marking():
                return found
            name = params["call_jaxpr"].jaxpr.debug_info.func_name
            unseen = not_seen(name, WHY)

            def with_marks(*args: Any) -> list[Any]:
                handed_on = [*rule.call_wrapped(*args)]
                if not is_marking():
                    return handed_on
                start = len(handed_on) // 2 if primitive is custom_jvp_call_p else 0
                return [
                    marked(d, (), unseen) if i >= start and is_array(d) else d
                    for i, d in enumerate(handed_on)
                ]

            whole = linear_util.wrap_init(with_marks, debug_info=rule.debug_info)
            return {**found, "subfuns": (*others, whole)}

        return patch.object(type(primitive), "get_bind_params", get_bind_params)

    with of(custom_jvp_call_p), of(custom_vjp_call_p):
        yield
