"""The verbs know no generator by name: the same steps on the description of each of them."""

from typing import Any

import numpy as np
import pytest
from sprites import Sprites

from infinity_frames.engine.generators.sensefit import SenseFit
from infinity_frames.engine.generators.spills import Spills
from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.experiments.coverage import cover, gaps
from infinity_frames.experiments.neighbors import near
from infinity_frames.experiments.sampling import free_parameters, sample
from infinity_frames.experiments.sensitivity import sensitivity
from infinity_frames.experiments.slices import slices
from infinity_frames.protocol import parameters


@pytest.mark.parametrize(
    "generator", [VisionFit, SenseFit, Spills, Sprites], ids=lambda one: one.spec.name
)
def test_the_loop_finds_a_planted_weakness_of_any_generator(generator):
    spec = generator.spec
    ruled = {name for rule in spec.constraints for name in rule.parameters}
    jobs: Any = sample(spec, 500, design="sobol", seed=1)
    free = [
        p.name
        for p in free_parameters(spec, set())
        if p.type == "float" and p.name not in ruled and jobs[p.name].nunique() > 100
    ]
    weak = free[0]
    limit = float(jobs[weak].quantile(0.85))
    noise = np.random.default_rng(0).normal(0, 0.1, len(jobs))
    scored = jobs.assign(skill=0.8 + noise - 0.5 * (jobs[weak] > limit).to_numpy(float))
    factors = sensitivity(scored, "skill", by=free[:5], resamples=10)
    assert factors["factors"].iloc[0] == weak
    rule = str(slices(scored, "skill")["rule"].iloc[0])
    assert f"{weak} >" in rule
    more = sample(spec, 30, where=rule, seed=2)
    assert len(more.query(rule)) == 30
    around = near(spec, scored.nsmallest(5, "skill").drop(columns="skill"), 3, seed=3)
    low = float(jobs[weak].min())
    thin = jobs[jobs[weak] < limit]
    bins = {weak: [low, limit, float(jobs[weak].max())]}
    found = gaps(thin, weak, bins=bins)
    assert found["verdict"].iloc[0] == "empty"
    filling = cover(spec, thin, 20, weak, bins=bins, seed=4)
    assert (filling[weak] >= limit).all()
    for made in (more, around, filling):
        own = made[[name for name in made.columns if not str(name).startswith("tag_")]]
        assert not len(parameters.violations(spec, own))
