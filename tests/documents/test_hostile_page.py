"""docs/hostile-clients.md shows what was measured, and what it says of the results is so."""

import pytest

from bench.hostile import CASES, HONEST
from scripts.hostile_table import read_results, updated_hostile_page
from tests.support.documents import document

CELLS = {(cell.attack, cell.method, cell.protection): cell for cell in read_results()}


def test_the_table_is_up_to_date_and_every_cell_was_played_to_its_end():
    page = document("docs/hostile-clients.md").text
    assert updated_hostile_page(page) == page
    assert sorted(CELLS) == sorted(CASES)
    assert [key for key, cell in CELLS.items() if cell.failure] == []


@pytest.mark.parametrize("protection", ["none", "norm bound 3", "median", "trimmed mean .2"])
def test_florg_is_unmoved_by_signs_and_rotations_of_a_factor_and_rejects_nobody_for_them(protection):
    assert CELLS["-A", "florg", protection].moved == 0
    assert CELLS["turned A", "florg", protection].moved < 0.02
    assert CELLS["-A", "florg", protection].rejected == CELLS["turned A", "florg", protection].rejected == 0


@pytest.mark.parametrize("method", ["florg", "fedit"])
@pytest.mark.parametrize("attack", ["sign flip x10", "random x100"])
def test_the_norm_bound_keeps_the_accuracy_where_without_one_it_is_lost_and_costs_nothing_otherwise(attack, method):
    assert CELLS[attack, method, "none"].accuracy < 0.7
    assert CELLS[attack, method, "norm bound 3"].accuracy > 0.95
    honest, bounded = (CELLS[HONEST, method, protection] for protection in ("none", "norm bound 3"))
    assert honest.accuracy == bounded.accuracy
    assert bounded.rejected == 0
