"""What frameworks are known to compute instead: formulas by name, which findings name.

A finding excuses the numbers that its formula predicts, and no others. A formula is written like an
op, in plain NumPy that runs over `Ball`, and names no framework.
"""

from collections.abc import Mapping

from backproof.reference.verdict.known import few_terms
from backproof.reference.verdict.known.activations import (
    elu_of_difference,
    gelu_in_steps,
    gelu_that_overflows,
    leaky_relu_flat_at_zero,
    mish_that_overflows,
    sixth_in_float32,
    softplus_with_threshold,
)
from backproof.reference.verdict.known.attention import softmax_in_float32
from backproof.reference.verdict.known.clipped import clipped
from backproof.reference.verdict.known.constants import (
    constants_in_float32,
    mean_slope_in_float32,
    slopes_of_flushed,
)
from backproof.reference.verdict.known.convolution import unwritten_where_all_is_padding
from backproof.reference.verdict.known.cross_entropy import (
    difference_of_complements,
    flat_at_zero,
    labels_constant_in_second_order,
    other_side_at_zero,
)
from backproof.reference.verdict.known.elementary import (
    cosine_of_difference,
    elu_of_both_branches,
    expm1_from_output,
    functions_in_float32,
    logarithm_of_sum,
    logarithm_of_sum_with_threshold,
    power_of_zero,
    powers_of_two,
    sigmoid_that_overflows,
    silu_that_overflows,
    tanh_of_sigmoid,
)
from backproof.reference.verdict.known.five_terms import (
    erf_slope_of_5_terms,
    gelu_of_5_terms,
    gelu_slope_of_5_terms,
    gelu_with_slope_of_5_terms,
    of_5_terms,
)
from backproof.reference.verdict.known.formula import (
    AsShown,
    Defined,
    Either,
    Formula,
    Instead,
    InSteps,
    OfDtype,
    Swept,
    Unwritten,
)
from backproof.reference.verdict.known.lengths import length_and_more, never_clipped
from backproof.reference.verdict.known.linear_algebra import (
    factors_constant_in_forward_mode,
    unit_diagonal_forgotten,
)
from backproof.reference.verdict.known.log_sigmoid import logarithm_of_sigmoid
from backproof.reference.verdict.known.losses import (
    huber_in_parts,
    outputs_constant_in_forward_mode,
)
from backproof.reference.verdict.known.moments import clipped_moments
from backproof.reference.verdict.known.narrow import (
    options_in_float32,
    shares_in_float32,
    sixth_of_7_digits,
    smoothing_in_float32,
    softmax_from_input,
)
from backproof.reference.verdict.known.normalization import (
    channels_mixed_up,
    constants_in_forward_mode,
    cubed_flushed,
    difference_as_shown,
    difference_in_steps,
    difference_of_means,
    in_bfloat16,
    mean_constant_in_second_order,
    mean_constant_without_gain,
    norms_cubed_in_float32,
    saved_in_bfloat16,
    shift_in_parts,
)
from backproof.reference.verdict.known.optimizers import (
    accumulator_of_zero,
    always_relative,
    cast_options,
    cast_rates,
    cast_schedule,
    decay_in_float32,
    decay_rounded,
    largest_not_kept,
    length_in_float32,
    options_and_decay_rounded,
    penalty_twice,
    product_in_float32,
    rates_in_float32,
    rounded_options,
    schedule_in_float32,
    step_before,
)
from backproof.reference.verdict.known.padding import tangent_padded
from backproof.reference.verdict.known.pooling import pooling_lost
from backproof.reference.verdict.known.ramps import elu_of_ramps, hardswish_of_difference
from backproof.reference.verdict.known.reductions import (
    correction_of_each_axis,
    each_of_equal,
    square_of_deviation,
)
from backproof.reference.verdict.known.rms_norm import cubed_in_float32, rms_norm_in_float32
from backproof.reference.verdict.known.special import (
    digamma_slope_of_4_terms,
    erf_inv_by_newton,
    erf_inv_of_sum,
)
from backproof.reference.verdict.known.sums import biases_in_turn, shifts_in_lanes
from backproof.reference.verdict.known.truncated import truncated_products
from backproof.reference.verdict.known.views import views_constant_in_second_order
from backproof.reference.verdict.known.weight_norm import length_constant_in_second_order

THREADS = 16
"""How many threads may share a sum."""

FORMULAS: Mapping[str, Formula] = {
    "softplus with a threshold of 20": Instead(softplus_with_threshold()),
    "erf of five terms": Instead(of_5_terms()),
    "GELU of five terms": Instead(gelu_of_5_terms()),
    "GELU' of five terms": Instead(gelu_slope_of_5_terms()),
    "GELU of five terms, and its slope": Instead(gelu_with_slope_of_5_terms()),
    "psi' of four terms": Instead(digamma_slope_of_4_terms()),
    "erf^-1 by two steps": Instead(erf_inv_by_newton()),
    "options in float32": Instead(options_in_float32()),
    "options but factors in float32": Instead(options_in_float32("scale")),
    "smoothing in float32": Instead(smoothing_in_float32()),
    "-1/2 - t at zero": Instead(other_side_at_zero()),
    "1/n in float32": Instead(shares_in_float32()),
    "0.1666667 for 1/6": Instead(sixth_of_7_digits()),
    "logits clipped": Instead(clipped()),
    "dy y + dy": Instead(expm1_from_output()),
    "log(1 + e^z) of the rounded sum, z above 20": Instead(logarithm_of_sum_with_threshold()),
    "z e^-z beyond the precision": Instead(silu_that_overflows()),
    "erf^-1 of the rounded 1 + x": Instead(erf_inv_of_sum()),
    "x / (||x|| + eps)": Instead(length_and_more()),
    "mean constant without a gain": Instead(mean_constant_without_gain()),
    "relu(z + 3) - relu(z - 3)": Instead(hardswish_of_difference()),
    "relu(z) - alpha relu(1 - e^z)": Instead(elu_of_ramps()),
    "sin(pi/2 - x)": Instead(cosine_of_difference()),
    "1/6 in float32": Instead(sixth_in_float32()),
    "e^z beyond float32": Instead(mish_that_overflows()),
    "expm1 as exp - 1": Instead(elu_of_difference()),
    "softmax in float32": Instead(softmax_in_float32()),
    "(1 - t) - (1 - s(y))": Instead(difference_of_complements()),
    "unwritten where all is padding": Unwritten(unwritten_where_all_is_padding()),
    "statistics saved in bfloat16": Instead(saved_in_bfloat16()),
    "statistics in bfloat16": Either(
        (Instead(in_bfloat16(about=True)), Instead(in_bfloat16(about=False)))
    ),
    "moments within float16": Instead(clipped_moments()),
    "statistics constant in forward mode": Instead(constants_in_forward_mode()),
    "L U constant in forward mode": Instead(factors_constant_in_forward_mode()),
    "r^3 in float32": Instead(cubed_in_float32()),
    "RMS norm in float32": Instead(rms_norm_in_float32()),
    "r^3 flushed to zero": Instead(cubed_flushed()),
    "inv^3 in float32": Instead(norms_cubed_in_float32()),
    "length constant in second order": Instead(length_constant_in_second_order()),
    "channels mixed up": Instead(channels_mixed_up()),
    "channels mixed up, statistics saved in bfloat16": Instead(
        channels_mixed_up(saved_in_bfloat16())
    ),
    "shift summed by threads": Either(
        tuple(InSteps(shift_in_parts(parts)) for parts in range(1, THREADS + 1))
    ),
    "E[x^2] - E[x]^2": Instead(difference_of_means()),
    "E[x^2] - E[x]^2 without digits": Either(
        (AsShown(difference_as_shown(0.0)), AsShown(difference_as_shown(0.5)))
    ),
    "E[x^2] - E[x]^2 in steps": InSteps(difference_in_steps()),
    "sums in turn": InSteps({**difference_in_steps(), **biases_in_turn()}),
    "sums in lanes": InSteps(shifts_in_lanes()),
    "GELU in steps": InSteps(gelu_in_steps()),
    "dy for each of equal entries": Instead(each_of_equal()),
    "n - correction of each axis": Instead(correction_of_each_axis()),
    "functions in float32": Instead(functions_in_float32()),
    "e^z as a power of two": Instead(powers_of_two()),
    "tanh as a fraction": Instead(few_terms.tanh_as_fraction()),
    "e^x of six terms": Instead(few_terms.exponentials_of_6_terms()),
    "p before it is flushed": Instead(softmax_from_input()),
    "NaN where all are equal": Instead(square_of_deviation()),
    "(dy - y <y, dy>) / max(||x||, eps^2)": Instead(never_clipped()),
    "e^x - 1 and log(1 + x) as they stand": Instead(few_terms.differences()),
    "0 x^-1": Instead(power_of_zero()),
    "e^-z beyond the precision": Instead(sigmoid_that_overflows()),
    "2 s(2 z) - 1": Instead(tanh_of_sigmoid()),
    "log(1 + e^z) of the rounded sum": Instead(logarithm_of_sum()),
    "erf' of five terms": Instead(erf_slope_of_5_terms()),
    "e^z beyond the precision": Instead(elu_of_both_branches()),
    "leaky ReLU flat at zero": Instead(leaky_relu_flat_at_zero()),
    "3 z^2 beyond float16": Instead(gelu_that_overflows()),
    "Huber's loss in two parts": Instead(huber_in_parts()),
    "labels alone in forward mode": Instead(outputs_constant_in_forward_mode()),
    "constants in float32": Instead(constants_in_float32()),
    "slope in float32, the mean of both at zero": Instead(mean_slope_in_float32()),
    "slopes of what is flushed": Instead(slopes_of_flushed()),
    "products cut off": Instead(truncated_products()),
    "mean constant in second order": Instead(mean_constant_in_second_order()),
    "tangents padded with the value": Instead(tangent_padded()),
    "labels constant in second order": Instead(labels_constant_in_second_order()),
    "flat at a logit of zero": Instead(flat_at_zero()),
    "unit diagonal forgotten": Instead(unit_diagonal_forgotten()),
    "log of the rounded sigmoid": Instead(logarithm_of_sigmoid()),
    "views constant in second order": Instead(views_constant_in_second_order()),
    "views constant in second order, e^x of six terms": Instead(
        views_constant_in_second_order(few_terms.exponentials_of_6_terms())
    ),
    "max pooling hands nothing on": Swept(pooling_lost),
    "product in float32": Defined(product_in_float32),
    "length in float32": Defined(length_in_float32),
    "rates in float32": Defined(rates_in_float32),
    "schedule in float32": Defined(schedule_in_float32),
    "decay in float32": Defined(decay_in_float32),
    "accumulator that starts at zero": Defined(accumulator_of_zero),
    "step of the gradient before": Defined(step_before),
    "relative step in any case": Defined(always_relative),
    "options in float32, largest not kept": Defined(
        lambda of: largest_not_kept(rounded_options(of))
    ),
    "l2 twice": Defined(penalty_twice),
    "the options of an optimizer in float32": Defined(rounded_options),
    "the decay of an optimizer in float32": Defined(decay_rounded),
    "options and decay in float32": Defined(options_and_decay_rounded),
    "options cast to float32": Either((Defined(cast_rates), Defined(cast_options))),
    "options and schedule cast to float32": Defined(cast_schedule),
    "options and length in float32": Defined(lambda of: length_in_float32(rounded_options(of))),
    "tangents in float64": OfDtype("float64"),
}
"""Name -> what is computed instead."""
