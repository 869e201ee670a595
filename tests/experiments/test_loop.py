"""The loop from top to bottom: data for the slices of a model's errors mend its planted bias."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from bench.experiments import CORNER, mended


@pytest.mark.slow
def test_targeted_data_beat_random_data_of_the_same_size_and_planted_factors_are_named():
    found = [mended(CORNER, seed, budgets=(20,)) for seed in range(2)]
    lead = np.mean([one["targeted 20"][0] - one["random 20"][0] for one in found])
    assert lead > 25
    for one in found:
        assert one["named"] >= CORNER.planted - {"shape"}
        assert not one["named"] - CORNER.planted
        assert one["targeted 20"][1] >= one["none 0"][1]  # nothing is lost elsewhere
