"""The kinds of numbers over which the same ops run: floats, Arb, `Ball`, `Dual`, `Terms`."""

from backproof.reference.numbers import (
    arithmetic_rules,
    complex_functions,
    determinant_rules,
    exact_rules,
    function_rules,
    lu_rule,
    matrix_exp_rule,
    qr_rule,
    solve_rule,
    spectral_rules,
    sum_rules,
)

RULES = (
    *(exact_rules, arithmetic_rules, function_rules, sum_rules),
    *(solve_rule, determinant_rules, spectral_rules, qr_rule, lu_rule, matrix_exp_rule),
)
"""The modules that tell `Ball` its rules, which they do when they are imported."""

FUNCTIONS = (complex_functions,)
"""That which tells `Complex` its rules."""
