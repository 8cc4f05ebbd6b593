"""Where a PyTorch program is while it is recorded: in which module, and on which line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from backproof.adapters.recording import Place
from backproof.adapters.torch_calls import described, is_users


class Places(TorchFunctionMode):
    """The part of the recorder that knows where the program is. It is made of the model.

    modules: id of a module -> its path. path: of the modules that are running.
    """

    def __init__(self, model: Any) -> None:
        """Be in no module yet."""
        super().__init__()
        modules = model.named_modules() if isinstance(model, torch.nn.Module) else ()
        self.modules = {id(module): name for name, module in modules}
        self.path: list[str] = []

    @contextmanager
    def in_modules(self) -> Iterator[None]:
        """Keep the path of the modules that are running."""

        def entered(module: Any, _: Any) -> None:
            self.path.append(self.modules.get(id(module), type(module).__name__))

        def left(*_: Any) -> None:
            self.path.pop()

        before = register_module_forward_pre_hook(entered)
        after = register_module_forward_hook(left, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def place(self, function: Any) -> Place:
        """Return where the program calls a function."""
        frame = sys._getframe(1)  # noqa: SLF001 tracebacks would cost a file access each
        while frame.f_back and not is_users(frame.f_code):
            frame = frame.f_back
        module = self.path[-1] if self.path else ""
        file = Path(frame.f_code.co_filename).name
        return Place(module, described(function), file, frame.f_lineno)
