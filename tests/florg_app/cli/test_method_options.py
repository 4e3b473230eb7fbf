"""The table of options: sizes from the methods themselves."""

import pytest

from florg_app.cli.method_options import EXAMPLE_LAYER, EXAMPLE_RANK, numbers_sent, option_rows
from strategies import METHODS
from strategies.methods.florg import FLoRG


def test_numbers_of_a_layer_are_counted_without_any():
    k = EXAMPLE_LAYER.k
    assert numbers_sent("tensors", FLoRG()) == numbers_sent("summand", FLoRG()) == EXAMPLE_RANK * k
    assert numbers_sent("summand", FLoRG(solver="literal")) == k * k
    assert numbers_sent("summand", METHODS["fedex-lora"]()) == 2 * EXAMPLE_RANK * k + k * k


def test_every_method_has_a_row():
    assert [name for name, *_ in option_rows()] == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_without_summands_takes_neither_of_what_needs_them(name):
    cells = {row[0]: row[1:] for row in option_rows()}[name]
    assert (cells[0] == "no") == (cells[1] == "no") == (METHODS[name]().traits.needs == "stack")
