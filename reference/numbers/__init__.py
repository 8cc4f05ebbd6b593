"""The kinds of numbers over which the same ops run: floats, Arb, `Ball`, `Dual`, `Terms`."""

from backproof.reference.numbers import (
    arithmetic_rules,
    complex_functions,
    determinant_rules,
    dual_matrices,
    dual_rules,
    exact_rules,
    function_rules,
    lu_rule,
    matrix_exp_rule,
    qr_rule,
    solve_rule,
    special_rules,
    spectral_rules,
    sum_rules,
)

FILL = (
    *(exact_rules, arithmetic_rules, function_rules, special_rules, sum_rules),
    *(solve_rule, determinant_rules, spectral_rules, qr_rule, lu_rule, matrix_exp_rule),
    *(dual_rules, dual_matrices, complex_functions),
)
"""The modules that fill the tables of rules, which they do when they are imported."""
