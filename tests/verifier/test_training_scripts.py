"""What is around a loss in a training script: other models, optimizers in hooks, checkpoints."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, nn, F = map(Lazy, ("torch", "torch.nn", "torch.nn.functional"))
checkpoints, bt = map(Lazy, ("torch.utils.checkpoint", "backproof.torch"))


@pytest.fixture(autouse=True)
def _installed() -> None:
    """Skip the tests where PyTorch is not installed; else give all of them the same numbers."""
    torch.manual_seed(0)


def perceptron(*sizes: int) -> Any:
    """Return a network with batch norm."""
    first, inner, last = sizes
    return nn.Sequential(
        nn.Linear(first, inner), nn.BatchNorm1d(inner), nn.Tanh(), nn.Linear(inner, last)
    )


def state(*models: Any) -> list[Any]:
    """Return copies of all that models keep, gradients included."""
    kept = [t for model in models for t in (*model.parameters(), *model.buffers())]
    return [None if t is None else t.detach().clone() for k in kept for t in (k, k.grad)]


def same(one: list[Any], other: list[Any]) -> bool:
    """Return whether nothing has changed."""
    pairs = zip(one, other, strict=True)
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("is_generator", [True, False])
def test_what_other_models_keep_is_put_back(is_generator: bool) -> None:  # noqa: FBT001
    """Of two models that play against each other, the other one stays as it was, too."""
    generator = perceptron(3, 8, 4)
    critic = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Linear(4, 8)), perceptron(8, 8, 1)
    )
    real = torch.randn(6, 4)
    F.softplus(critic(generator(torch.randn(6, 3)))).mean().backward()

    def loss() -> Any:
        fake = generator(torch.randn(6, 3))
        if is_generator:
            return F.softplus(-critic(fake)).mean()
        return F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()

    before = state(generator, critic)
    certificate = bt.certify(loss, generator if is_generator else critic)

    assert certificate.holds, certificate
    assert same(before, state(generator, critic))
    assert not torch.nn.modules.module._global_forward_pre_hooks  # noqa: SLF001


@pytest.mark.parametrize("at_first", [0.5, None], ids=["a number", "none yet"])
def test_a_buffer_that_is_assigned_is_put_back(at_first: float | None) -> None:
    """A module may give a buffer another tensor in place of writing to it, as a moving average."""

    class Centred(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 4)
            self.register_buffer("centre", None if at_first is None else torch.tensor(at_first))

        def forward(self, x: Any) -> Any:
            y, before = self.layer(x), self.centre
            self.centre = y.detach().mean() if before is None else 0.9 * before + 0.1 * y.mean()
            self.centre = self.centre.detach()
            return (y - self.centre).square().mean()

    model, x = Centred(), torch.randn(5, 3)
    centre = model.centre
    certificate = bt.certify(lambda: model(x), model)

    assert certificate.holds, certificate
    assert model.centre is centre
    assert centre is None or centre.item() == at_first


@pytest.mark.parametrize("has_twin", [False, True])
def test_what_a_call_writes_to_is_put_back(has_twin: bool) -> None:  # noqa: FBT001
    """A queue, an average of weights, and a generator of random numbers are as they were."""
    model = nn.Linear(3, 4)
    average = copy.deepcopy(model).requires_grad_(False)  # noqa: FBT003 PyTorch's own
    queue, x = torch.randn(5, 4), torch.randn(2, 3)
    own = torch.Generator().manual_seed(1)

    def loss() -> Any:
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.mul_(0.9).add_(fast, alpha=0.1)
            keys = average(x + torch.randn(x.shape, generator=own))
        scores = model(x) @ torch.cat([keys, queue]).T
        queue[:2] = keys
        return F.cross_entropy(scores, torch.arange(2))

    before, drawn = [queue.clone(), *state(average)], own.get_state()
    certificate = bt.certify(loss, model, against=loss if has_twin else None)

    assert certificate.holds, certificate
    assert same(before, [queue, *state(average)])
    assert torch.equal(drawn, own.get_state())


def test_statistics_that_a_function_keeps_are_put_back() -> None:
    """A call may write to any tensor that it takes, also to those of no module."""
    model, x = nn.Linear(3, 4), torch.randn(5, 3)
    statistics = torch.zeros(4), torch.ones(4)
    before = [t.clone() for t in statistics]
    certificate = bt.certify(
        lambda: F.batch_norm(model(x), *statistics, training=True).sin().sum(), model
    )

    assert certificate.holds, certificate
    assert same(before, [*statistics])


def test_a_gradient_of_another_model_is_put_back() -> None:
    """The pass that is not recorded adds nothing to the gradients of the other model either."""
    model, other = nn.GRU(2, 3), nn.Linear(3, 1)
    x = torch.randn(4, 2, 2)
    other(model(x)[0]).sum().backward()
    before = state(other)
    certificate = bt.certify(lambda: other(model(x)[0]).square().sum(), model)

    assert certificate.holds, certificate
    assert same(before, state(other))


def test_a_step_of_an_optimizer_in_a_hook_is_not_made() -> None:
    """Where each gradient is used as soon as it is there, the optimizer keeps its state."""
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(_: Any) -> None:
        optimizer.step()
        optimizer.zero_grad()

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(step)
    model(x).square().sum().backward()
    momenta = [optimizer.state[p]["momentum_buffer"].clone() for p in model.parameters()]
    certificate = bt.certify(lambda: model(x).square().sum(), model)
    after = [optimizer.state[p]["momentum_buffer"] for p in model.parameters()]

    assert certificate.holds, certificate
    assert same(momenta, after)
    model(x).square().sum().backward()
    assert model.weight.grad is None  # the hook is there again


def test_a_step_of_an_optimizer_after_autograds_own_function_is_not_made() -> None:
    """Older scripts hook the function of autograd that adds up a gradient."""
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    ends = [p.view_as(p).grad_fn.next_functions[0][0] for p in model.parameters()]
    for end in ends:
        end.register_hook(lambda *_: optimizer.step())
    model(x).square().sum().backward()
    momenta = [optimizer.state[p]["momentum_buffer"] for p in model.parameters()]
    before = state(model), [one.clone() for one in momenta]
    certificate = bt.certify(lambda: model(x).square().sum(), model)

    assert certificate.holds, certificate
    assert same(before[0], state(model))
    assert same(before[1], momenta)
    model(x).square().sum().backward()
    assert not same(before[1], momenta)  # the hook is there again


def test_what_is_written_to_on_the_way_back_is_put_back() -> None:
    """A hook, a backward pass and the definition of a kernel may keep numbers of their own."""
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    of_hook, of_backward, of_definition = kept = [torch.zeros(()) for _ in range(3)]

    class Doubled(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(_: Any, dy: Any) -> Any:
            of_backward.add_(dy.norm())
            return 2 * dy

    def definition(x: Any) -> Any:
        of_definition.add_(1)
        return 2 * x

    def watch(gradient: Any) -> None:
        of_hook.mul_(0.9).add_(gradient.norm())

    model.weight.register_hook(watch)
    certificate = bt.certify(
        lambda: Doubled.apply(model(x)).square().sum(), model, known={Doubled: definition}
    )

    assert certificate.holds, certificate
    assert [t.item() for t in kept] == [0, 0, 0]


def test_a_gradient_that_is_known_to_be_zero_holds() -> None:
    """Autograd hands on a zero without memory, as the derivative of a sign in place."""
    w, v = (torch.randn(3, requires_grad=True) for _ in range(2))

    assert bt.certify(lambda: (w * 1).sgn_().sum() + v.sum(), {"w": w, "v": v}).holds


def test_a_parameter_that_is_used_before_its_rows_are_scaled_is_named() -> None:
    """What a parameter receives is of all its uses, before it was written to and after."""
    table, i = nn.Embedding(9, 3, max_norm=0.5), torch.tensor([1, 2])
    certificate = bt.certify(lambda: (2 * table.weight).sum() + table(i).square().sum(), table)

    assert "refuted" not in str(certificate)
    assert "it was used, and written to afterwards" in str(certificate)
    assert "hint" not in str(certificate)


def test_a_parameter_that_is_written_to_between_two_uses_is_named() -> None:
    """The critic makes a step before it judges: that is not known, and nothing is refuted."""
    model, critic, z = nn.Linear(3, 4), nn.Linear(4, 1), torch.randn(5, 3)
    optimizer = torch.optim.Adam(critic.parameters())

    def loss() -> Any:
        fake = model(z)
        optimizer.zero_grad()
        critic(fake.detach()).mean().backward()
        optimizer.step()
        return -critic(fake).mean()

    before = state(critic)
    certificate = bt.certify(loss, model)

    assert not certificate.holds
    assert "refuted" not in str(certificate)
    assert "it was used, and written to afterwards" in str(certificate)
    assert same(before, state(critic))


class Block:
    """A block of a network, used twice; at least once in a checkpoint."""

    def __init__(self, drop: float) -> None:
        """Draw it."""
        self.block = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Dropout(drop))
        self.model, self.x = nn.Sequential(nn.Linear(3, 4), self.block), torch.randn(5, 3)

    def loss(self, apply: Callable[..., Any]) -> Callable[[], Any]:
        """Return the loss whose second use of the block is in a checkpoint."""
        return lambda: apply(self.block, self.model(self.x)).square().sum()


def kept(function: Any, *values: Any, **named: Any) -> Any:
    """Call a function in a checkpoint that runs back inside of the backward pass."""
    return checkpoints.checkpoint(function, *values, use_reentrant=True, **named)


def test_a_reentrant_checkpoint_shares_weights() -> None:
    """A block may be in such a checkpoint, and outside of it."""
    own = Block(0.5)
    certificate = bt.certify(own.loss(kept), own.model)

    assert certificate.holds, certificate
    assert set(certificate.proven) == {name for name, _ in own.model.named_parameters()}


def test_a_checkpoint_that_draws_again_is_refuted() -> None:
    """A mask that is another one in the second pass gives wrong gradients."""
    own = Block(0.5)
    loss = own.loss(lambda *args: kept(*args, preserve_rng_state=False))
    certificate = bt.certify(loss, own.model)
    wrong = {one.name for one in certificate.twin}

    assert not certificate.holds
    assert "as users run it" in str(certificate)
    assert wrong
    assert wrong.isdisjoint(certificate.proven)


def test_a_checkpoint_of_its_own_is_named() -> None:
    """A custom function that runs back by itself hands gradients to what it closes over."""

    class Own(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, function: Any, x: Any) -> Any:
            ctx.function = function
            ctx.save_for_backward(x)
            return function(x)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (x,) = (t.detach().requires_grad_() for t in ctx.saved_tensors)
            with torch.enable_grad():
                y = ctx.function(x)
            y.backward(dy)
            return None, x.grad

    own = Block(0.0)
    certificate = bt.certify(own.loss(Own.apply), own.model)

    assert not certificate.holds
    assert "refuted" not in str(certificate)
    assert "not certified: Own" in str(certificate)


@pytest.mark.parametrize("is_wrong", [True, False])
def test_sparse_gradients(is_wrong: bool) -> None:  # noqa: FBT001
    """A sparse gradient holds, with rows that occur twice; a hook that doubles it is found."""
    table, bags = nn.Embedding(9, 3, sparse=True), nn.EmbeddingBag(9, 3, mode="sum", sparse=True)
    model, i = nn.ModuleList([table, bags]), torch.tensor([[1, 2, 1], [4, 1, 8]])
    if is_wrong:
        table.weight.register_hook(lambda g: g * 2)
    certificate = bt.certify(lambda: (table(i).sum(1) * bags(i)).square().sum(), model)

    assert certificate.holds != is_wrong, certificate
    assert ("0.weight" in certificate.proven) != is_wrong
    assert table.weight.grad is None


def wrapped() -> Any:
    """Return a layer with a parameter whose numbers are in another tensor, as in a sharded one."""

    class Wrapper(torch.Tensor):  # type: ignore[misc, name-defined]
        @staticmethod
        def __new__(cls: Any, inner: Any) -> Any:
            return torch.Tensor._make_wrapper_subclass(cls, inner.shape)  # noqa: SLF001

        __torch_dispatch__ = classmethod(lambda cls, *_: cls(torch.ones(2, 2)))

    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(Wrapper(torch.ones(2, 2)))
    return layer


WITHOUT_NUMBERS: dict[str, tuple[Callable[[], Any], str]] = {
    "meta": (lambda: nn.Linear(2, 2, device="meta"), "once it is initialized: weight"),
    "lazy": (lambda: nn.LazyLinear(2), "call the model once: weight"),
    "sharded": (wrapped, "Wrapper.*certify the model before it is sharded: weight"),
}


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_parameters_without_numbers_are_refused(name: str) -> None:
    """A model that has no numbers yet, or none of its own, is refused with what to do."""
    make, said = WITHOUT_NUMBERS[name]
    model = make()

    with pytest.raises(bt.NotRecorded, match=said):
        bt.certify(lambda: model(torch.ones(2, 2)).sum(), model)


def test_another_batch_each_time_is_refused() -> None:
    """A loss that takes the next batch is no function of the parameters."""
    model, batches = nn.Linear(2, 1), iter(torch.randn(5, 3, 2))

    with pytest.raises(bt.NotRecorded, match="Does it take the next batch"):
        bt.certify(lambda: model(next(batches)).sum(), model)


def test_a_sum_that_overflows_on_the_way_is_undecided() -> None:
    """Infinity less infinity, of products that are too large, is no mistake of the framework's."""
    w = torch.tensor([[1e30, -1e30, 1.0]], requires_grad=True)
    x = torch.full((3, 1), 1e20)
    certificate = bt.certify(lambda: torch.sum(w @ x), {"w": w})

    assert "refuted" not in str(certificate)
    assert not certificate.holds


def words(limit: float | None = None) -> tuple[Any, Any, Any]:
    """Return a classifier of words, words, and their classes. limit: of the norm of a word."""
    model = nn.Sequential(
        nn.Embedding(9, 4, max_norm=limit),
        nn.LayerNorm(4),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(12, 3),
    )
    return model, torch.tensor([[1, 2, 1], [4, 1, 8]]), torch.tensor([2, 0])


@pytest.mark.parametrize("is_wrong", [True, False])
def test_an_exported_model_holds(is_wrong: bool) -> None:  # noqa: FBT001
    """A graph of PyTorch's own ops is a program like any other."""
    model, i, t = words()
    exported = torch.export.export(model, (i,)).module()
    parameters = dict(exported.named_parameters())
    if is_wrong:
        parameters["4.bias"].register_hook(lambda g: g * 2)
    certificate = bt.certify(lambda: F.cross_entropy(exported(i), t), exported)

    assert certificate.holds != is_wrong, certificate
    assert len(certificate.proven) == len(parameters) - is_wrong


def test_words_of_a_limited_norm_hold() -> None:
    """Rows that are scaled in place before they are taken are as they were afterwards."""
    model, i, t = words(limit=0.5)
    before = state(model)
    certificate = bt.certify(lambda: F.cross_entropy(model(i), t), model)

    assert certificate.holds, certificate
    assert same(before, state(model))


@pytest.mark.parametrize("is_wrong", [True, False])
def test_a_hook_is_named_where_a_gradient_is_wrong(is_wrong: bool) -> None:  # noqa: FBT001
    """The hint names a hook of a parameter, and one of a result; right ones need no hint."""
    model, i, t = words()
    factor = 0.5 if is_wrong else 1.0
    model[4].weight.register_hook(lambda g: factor * g)

    def loss() -> Any:
        rows = model[0](i)
        rows.register_hook(lambda g: factor * g)
        return F.cross_entropy(model[1:](rows), t)

    certificate = bt.certify(loss, model)
    hints = {hint for link in certificate.wrong for hint in certificate.hints_of(link)}

    assert certificate.holds != is_wrong
    assert ("hint" in str(certificate)) == is_wrong
    if is_wrong:
        assert hints == {
            "a hook of 4.weight may change its gradient",
            "a hook of its result may change what it receives",
        }


def test_every_hook_of_a_call_is_named() -> None:
    """The hint names the hook that is wrong, also where another one changes nothing."""
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    model.bias.register_hook(lambda g: g)
    model.weight.register_hook(lambda g: 2 * g)

    def loss() -> Any:
        y = model(x)
        y.register_hook(lambda g: g)
        return y.square().sum()

    certificate = bt.certify(loss, model)

    assert not certificate.holds
    assert (
        "hint      a hook of its result may change what it receives, "
        "and a hook of weight or of bias may change its gradient" in str(certificate)
    )


@pytest.mark.parametrize("name", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_a_hook_of_a_module_is_named(name: str) -> None:
    """A module's hooks see gradients by a function of PyTorch's own, which nobody has called."""
    model, x = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)), torch.randn(4, 3)
    getattr(model[1], name)(lambda *seen: tuple(2 * g for g in seen[1]))
    certificate = bt.certify(lambda: model(x).sum(), model)

    assert not certificate.holds
    assert "hint      a hook of a module may change its gradients" in str(certificate)


def test_a_batch_with_nan_is_named() -> None:
    """Where the loss is NaN since the batch is, the first line of the cause says so."""
    model, x = nn.Linear(3, 2), torch.ones(4, 3)
    x[1, 2] = torch.nan
    certificate = bt.certify(lambda: model(x).sum(), model)

    assert not certificate.holds
    assert "hint      constant, which it is computed from, has entries that are NaN" in str(
        certificate
    )
