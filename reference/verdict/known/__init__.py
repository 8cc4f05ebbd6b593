"""What frameworks are known to compute instead: formulas by name, which findings name.

A finding excuses the numbers that its formula predicts, and no others. A formula is written like an
op, in plain NumPy that runs over `Ball`, and names no framework.
"""

from collections.abc import Mapping

from backproof.reference.verdict.known import (
    activations,
    attention,
    clipped,
    constants,
    convolution,
    cross_entropy,
    elementary,
    few_terms,
    five_terms,
    lengths,
    linear_algebra,
    log_sigmoid,
    losses,
    moments,
    narrow,
    normalization,
    optimizers,
    padding,
    pooling,
    ramps,
    reductions,
    rms_norm,
    special,
    sums,
    truncated,
    views,
    weight_norm,
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

THREADS = 16
"""How many threads may share a sum."""

FORMULAS: Mapping[str, Formula] = {
    "softplus with a threshold of 20": Instead(activations.softplus_with_threshold()),
    "erf of five terms": Instead(five_terms.of_5_terms()),
    "GELU of five terms": Instead(five_terms.gelu_of_5_terms()),
    "GELU' of five terms": Instead(five_terms.gelu_slope_of_5_terms()),
    "GELU of five terms, and its slope": Instead(five_terms.gelu_with_slope_of_5_terms()),
    "psi' of four terms": Instead(special.digamma_slope_of_4_terms()),
    "erf^-1 by two steps": Instead(special.erf_inv_by_newton()),
    "options in float32": Instead(narrow.options_in_float32()),
    "options but factors in float32": Instead(narrow.options_in_float32("scale")),
    "smoothing in float32": Instead(narrow.smoothing_in_float32()),
    "-1/2 - t at zero": Instead(cross_entropy.other_side_at_zero()),
    "1/n in float32": Instead(narrow.shares_in_float32()),
    "0.1666667 for 1/6": Instead(narrow.sixth_of_7_digits()),
    "logits clipped": Instead(clipped.clipped()),
    "dy y + dy": Instead(elementary.expm1_from_output()),
    "log(1 + e^z) of the rounded sum, z above 20": Instead(
        elementary.logarithm_of_sum_with_threshold()
    ),
    "z e^-z beyond the precision": Instead(elementary.silu_that_overflows()),
    "erf^-1 of the rounded 1 + x": Instead(special.erf_inv_of_sum()),
    "x / (||x|| + eps)": Instead(lengths.length_and_more()),
    "mean constant without a gain": Instead(normalization.mean_constant_without_gain()),
    "relu(z + 3) - relu(z - 3)": Instead(ramps.hardswish_of_difference()),
    "relu(z) - alpha relu(1 - e^z)": Instead(ramps.elu_of_ramps()),
    "sin(pi/2 - x)": Instead(elementary.cosine_of_difference()),
    "1/6 in float32": Instead(activations.sixth_in_float32()),
    "e^z beyond float32": Instead(activations.mish_that_overflows()),
    "expm1 as exp - 1": Instead(activations.elu_of_difference()),
    "softmax in float32": Instead(attention.softmax_in_float32()),
    "(1 - t) - (1 - s(y))": Instead(cross_entropy.difference_of_complements()),
    "unwritten where all is padding": Unwritten(convolution.unwritten_where_all_is_padding()),
    "statistics saved in bfloat16": Instead(normalization.saved_in_bfloat16()),
    "statistics in bfloat16": Either(
        (
            Instead(normalization.in_bfloat16(about=True)),
            Instead(normalization.in_bfloat16(about=False)),
        )
    ),
    "moments within float16": Instead(moments.clipped_moments()),
    "statistics constant in forward mode": Instead(normalization.constants_in_forward_mode()),
    "L U constant in forward mode": Instead(linear_algebra.factors_constant_in_forward_mode()),
    "r^3 in float32": Instead(rms_norm.cubed_in_float32()),
    "RMS norm in float32": Instead(rms_norm.rms_norm_in_float32()),
    "r^3 flushed to zero": Instead(normalization.cubed_flushed()),
    "inv^3 in float32": Instead(normalization.norms_cubed_in_float32()),
    "length constant in second order": Instead(weight_norm.length_constant_in_second_order()),
    "channels mixed up": Instead(normalization.channels_mixed_up()),
    "channels mixed up, statistics saved in bfloat16": Instead(
        normalization.channels_mixed_up(normalization.saved_in_bfloat16())
    ),
    "shift summed by threads": Either(
        tuple(InSteps(normalization.shift_in_parts(parts)) for parts in range(1, THREADS + 1))
    ),
    "E[x^2] - E[x]^2": Instead(normalization.difference_of_means()),
    "E[x^2] - E[x]^2 without digits": Either(
        (
            AsShown(normalization.difference_as_shown(0.0)),
            AsShown(normalization.difference_as_shown(0.5)),
        )
    ),
    "E[x^2] - E[x]^2 in steps": InSteps(normalization.difference_in_steps()),
    "sums in turn": InSteps({**normalization.difference_in_steps(), **sums.biases_in_turn()}),
    "sums in lanes": InSteps(sums.shifts_in_lanes()),
    "GELU in steps": InSteps(activations.gelu_in_steps()),
    "dy for each of equal entries": Instead(reductions.each_of_equal()),
    "n - correction of each axis": Instead(reductions.correction_of_each_axis()),
    "functions in float32": Instead(elementary.functions_in_float32()),
    "e^z as a power of two": Instead(elementary.powers_of_two()),
    "tanh as a fraction": Instead(few_terms.tanh_as_fraction()),
    "e^x of six terms": Instead(few_terms.exponentials_of_6_terms()),
    "p before it is flushed": Instead(narrow.softmax_from_input()),
    "NaN where all are equal": Instead(reductions.square_of_deviation()),
    "(dy - y <y, dy>) / max(||x||, eps^2)": Instead(lengths.never_clipped()),
    "e^x - 1 and log(1 + x) as they stand": Instead(few_terms.differences()),
    "0 x^-1": Instead(elementary.power_of_zero()),
    "e^-z beyond the precision": Instead(elementary.sigmoid_that_overflows()),
    "2 s(2 z) - 1": Instead(elementary.tanh_of_sigmoid()),
    "log(1 + e^z) of the rounded sum": Instead(elementary.logarithm_of_sum()),
    "erf' of five terms": Instead(five_terms.erf_slope_of_5_terms()),
    "e^z beyond the precision": Instead(elementary.elu_of_both_branches()),
    "leaky ReLU flat at zero": Instead(activations.leaky_relu_flat_at_zero()),
    "3 z^2 beyond float16": Instead(activations.gelu_that_overflows()),
    "Huber's loss in two parts": Instead(losses.huber_in_parts()),
    "labels alone in forward mode": Instead(losses.outputs_constant_in_forward_mode()),
    "constants in float32": Instead(constants.constants_in_float32()),
    "slope in float32, the mean of both at zero": Instead(constants.mean_slope_in_float32()),
    "slopes of what is flushed": Instead(constants.slopes_of_flushed()),
    "products cut off": Instead(truncated.truncated_products()),
    "mean constant in second order": Instead(normalization.mean_constant_in_second_order()),
    "tangents padded with the value": Instead(padding.tangent_padded()),
    "labels constant in second order": Instead(cross_entropy.labels_constant_in_second_order()),
    "flat at a logit of zero": Instead(cross_entropy.flat_at_zero()),
    "unit diagonal forgotten": Instead(linear_algebra.unit_diagonal_forgotten()),
    "log of the rounded sigmoid": Instead(log_sigmoid.logarithm_of_sigmoid()),
    "views constant in second order": Instead(views.views_constant_in_second_order()),
    "views constant in second order, e^x of six terms": Instead(
        views.views_constant_in_second_order(few_terms.exponentials_of_6_terms())
    ),
    "max pooling hands nothing on": Swept(pooling.pooling_lost),
    "product in float32": Defined(optimizers.product_in_float32),
    "length in float32": Defined(optimizers.length_in_float32),
    "rates in float32": Defined(optimizers.rates_in_float32),
    "schedule in float32": Defined(optimizers.schedule_in_float32),
    "decay in float32": Defined(optimizers.decay_in_float32),
    "accumulator that starts at zero": Defined(optimizers.accumulator_of_zero),
    "step of the gradient before": Defined(optimizers.step_before),
    "relative step in any case": Defined(optimizers.always_relative),
    "options in float32, largest not kept": Defined(
        lambda of: optimizers.largest_not_kept(optimizers.rounded_options(of))
    ),
    "l2 twice": Defined(optimizers.penalty_twice),
    "the options of an optimizer in float32": Defined(optimizers.rounded_options),
    "the decay of an optimizer in float32": Defined(optimizers.decay_rounded),
    "options and decay in float32": Defined(optimizers.options_and_decay_rounded),
    "options cast to float32": Either(
        (Defined(optimizers.cast_rates), Defined(optimizers.cast_options))
    ),
    "options and schedule cast to float32": Defined(optimizers.cast_schedule),
    "options and length in float32": Defined(
        lambda of: optimizers.length_in_float32(optimizers.rounded_options(of))
    ),
    "tangents in float64": OfDtype("float64"),
}
"""Name -> what is computed instead."""
