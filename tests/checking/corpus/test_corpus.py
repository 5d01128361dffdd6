"""Programs as students write them: no wrong one is accepted or gets a false name, no right one is called wrong."""

import pytest
from student_programs import Outcome, Program, judge, list_programs

WRONG, RIGHT = list_programs()
NOT_NAMED = {
    "average_pooling_images": {
        "images_flipped_at_the_filter",
        "mask_of_the_pooled_map",
        "one_entry_of_the_window",
        "tiled_instead_of_repeated",
    },
    "batch_norm_graph": {
        "inverse_deviation_s_gradient_not_summed",
        "sum_over_the_units_in_the_compact_form",
        "unbiased_variance_forward",
    },
    "contrastive_batch": {
        "pairs_not_averaged",
        "pairs_not_subtracted",
        "rows_twice",
    },
    "convolution_and_pooling": {
        "overlapping_patches_overwritten",
        "stride_forgotten",
        "windows_overwrite_each_other",
    },
    "dropout_functions": {
        "derivative_of_the_scaled_activation",
    },
    "gated_layer_classes": {
        "elu_s_derivative",
        "halves_exchanged",
        "middle_of_the_window",
        "paths_multiplied",
        "slope_of_softplus",
        "sum_not_reversed",
    },
    "jax_normalized_rules": {
        "gain_times_its_own_output",
        "gain_left_out",
        "skip_connection_in_the_rule",
        "tanh_s_derivative_for_tanh",
    },
    "layer_norm_steps": {
        "mean_of_the_gradient_before_the_gain",
    },
    "linear_regression": {
        "bias_left_out_of_the_prediction",
    },
    "lstm_cell": {
        "gates_in_another_order",
    },
    "masked_self_attention": {
        "heads_not_transposed",
    },
    "module_list": {
        "inner_layers_in_forward_order",
        "slope_s_gradient_of_each_sample",
    },
    "momentum_updates": {
        "velocity_of_another_parameter",
    },
    "padded_sentences": {
        "one_hot_matrix_transposed_through_the_reshape",
        "padded_length",
        "tanh_behind_the_mean",
    },
    "scalar_nodes": {
        "relu_from_the_gradient",
    },
    "scalar_tape": {
        "derivative_of_the_exponential_function",
    },
    "script_with_globals": {
        "derivative_after_dropout",
    },
    "siamese_cosine": {
        "norm_not_squared",
        "norms_exchanged",
    },
    "strided_convolution": {
        "padding_cut_off_at_the_end_only",
        "stride_left_out_at_the_input",
        "stride_left_out_at_the_weights",
    },
    "torch_module_functions": {
        "density_not_normalized",
        "hard_tanh_s_mask_inverted",
        "log_probabilities_for_probabilities",
        "norm_as_a_constant",
        "product_rule",
        "projection_over_the_batch",
        "projection_without_the_gradient",
        "silu_s_derivative_as_sigmoid_s",
    },
}
"""By style, the wrong programs that are rejected without a name; a mistake that gets one is taken off the list."""


def assert_no_note_about_float32(outcome: Outcome) -> None:
    source = outcome.program.source
    if "float32" not in source and "import jax" not in source:
        assert "float32" not in outcome.text, outcome.text


@pytest.mark.sampled(7)
@pytest.mark.parametrize("program", RIGHT, ids=lambda program: program.id)
def test_right_programs_are_not_wrong(program: Program) -> None:
    outcome = judge(program)
    assert outcome.verdict != "wrong", outcome.text
    assert_no_note_about_float32(outcome)
    assert not program.find_wrong_arrays()


@pytest.mark.sampled(25)
@pytest.mark.parametrize("program", WRONG, ids=lambda program: program.id)
def test_wrong_programs_are_named_rightly(program: Program) -> None:
    outcome = judge(program)
    assert outcome.verdict != "right", outcome.text
    assert outcome.are_arrays_right, outcome.text
    style, _, slip = program.id.partition("-")
    assert outcome.is_named or not outcome.codes, outcome.text
    assert outcome.is_named != (slip in NOT_NAMED.get(style, ())), outcome.text
    assert_no_note_about_float32(outcome)
    assert program.slip is not None
    assert set(program.find_wrong_arrays()) == set(program.slip.wrong)
