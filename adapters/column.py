"""A column of the report: a framework, or one variant of how it is run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A framework, and how it is run.

    framework: a name in `adapters.TABLE`, "reference", or the name of your own adapter.
    variant:   a transformation ("compile"), a method of forward mode or second order ("jvp") or a
               library of optimizers ("optax"); empty for the framework's plain gradient.
    """

    framework: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> "Column":
        """Return the column of a name in reports and fixtures: "torch", "torch.compile"."""
        framework, _, variant = text.partition(".")
        return cls(framework, variant)

    def __str__(self) -> str:
        return f"{self.framework}.{self.variant}" if self.variant else self.framework
