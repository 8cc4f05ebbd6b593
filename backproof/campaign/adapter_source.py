"""The source code of an adapter: which function of its framework each op is."""

import ast
import importlib
import inspect
from collections.abc import Iterable

from backproof import adapters
from backproof.reference.network import Node


class Source:
    """The source of an adapter of `adapters.TABLE`.

    table:   op -> its expression in the adapter's `ops`.
    defined: name -> the statement that defines or imports it, in the order of the module.
    """

    def __init__(self, framework: str) -> None:
        """Read the source."""
        name = adapters.TABLE[framework].module
        module = ast.parse(inspect.getsource(importlib.import_module(name)))
        dicts = [node for node in ast.walk(module) if isinstance(node, ast.Dict)]
        ops = next(d for d in dicts if any(ast.unparse(key) == "'dense'" for key in d.keys if key))
        pairs = zip(ops.keys, ops.values, strict=True)
        self.table = {str(ast.literal_eval(key)): value for key, value in pairs if key}
        self.defined: dict[str, ast.stmt] = {}
        for statement in module.body:
            for name, one in _definitions(statement):
                self.defined[name] = _bare(one)

    def call(self, node: Node, arguments: Iterable[str]) -> str:
        """Return the call of a node's function; `arguments` are expressions."""
        function = self.table[node.op]
        name = f"{node.op}_" if isinstance(function, ast.Lambda) else ast.unparse(function)
        return f"{name}({', '.join(arguments)})"

    def definitions(self, ops: Iterable[str], names: Iterable[str]) -> list[str]:
        """Return the statements that some ops and some names need, imports first."""
        functions = {op: self.table[op] for op in dict.fromkeys(ops)}
        needed, new = set[str](), {*names, *_names(*functions.values())} & self.defined.keys()
        while new:
            needed |= new
            new = _names(*(self.defined[k] for k in new)) & self.defined.keys() - needed
        own = [self.defined[name] for name in self.defined if name in needed]
        imports = [s for s in own if isinstance(s, ast.Import | ast.ImportFrom)]
        lambdas = [
            f"{op}_ = {ast.unparse(f)}" for op, f in functions.items() if isinstance(f, ast.Lambda)
        ]
        rest = [ast.unparse(s) for s in own if s not in imports]
        return [*map(ast.unparse, imports), *(["", *rest, *lambdas] if rest or lambdas else [])]


def _definitions(statement: ast.stmt) -> Iterable[tuple[str, ast.stmt]]:
    """Yield the names that a statement defines, each with a statement that defines it alone."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.asname or alias.name.partition(".")[0], ast.Import([alias])
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            one = ast.ImportFrom(statement.module, [alias], statement.level)
            yield alias.asname or alias.name, one
    elif isinstance(statement, ast.FunctionDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        yield statement.targets[0].id, statement
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        value = statement.value or ast.Constant(None)
        yield statement.target.id, ast.Assign([statement.target], value, lineno=statement.lineno)


def _bare(statement: ast.stmt) -> ast.stmt:
    """Return a statement; a function loses its annotations and docstring."""
    if isinstance(statement, ast.FunctionDef):
        statement.returns = None
        spec = statement.args
        for argument in [*spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]:
            if argument:
                argument.annotation = None
        if ast.get_docstring(statement):
            statement.body = statement.body[1:]
    return statement


def _names(*trees: ast.AST) -> set[str]:
    """Return the names that occur in some trees."""
    return {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
