"""The examples of docs/scale.md: manifests by the schema of Kubernetes, the Slurm job script."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "scale.md"


def block(language: str, holding: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (found,) = [text for text in blocks if holding in text]
    return found


def test_manifests_satisfy_the_schema_and_only_the_engine_has_secrets():
    yaml = pytest.importorskip("yaml")
    validation = pytest.importorskip("kubernetes_validate")
    objects = list(yaml.safe_load_all(block("yaml", "kind: Deployment")))
    for made in objects:
        validation.validate(made, validation.latest_version(), strict=True)
    deployments = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Deployment"}
    assert deployments.keys() == {"dask-scheduler", "dask-worker", "infinity"}
    for name, one in deployments.items():
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert ("envFrom" in container) == (name == "infinity")
        assert one["spec"]["selector"]["matchLabels"]["app"] == name


def test_options_of_the_engine_in_the_manifests_exist():
    yaml = pytest.importorskip("yaml")
    objects = list(yaml.safe_load_all(block("yaml", "kind: Deployment")))
    (engine,) = [one for one in objects if one["metadata"]["name"] == "infinity"][:1]
    (container,) = engine["spec"]["template"]["spec"]["containers"]
    program, verb, *options = container["args"]
    assert (program, verb) == ("infinity-frames", "serve")
    from infinity_frames.cli.main import _parser

    parsed = _parser().parse_args([verb, *options])
    assert (parsed.host, parsed.port, parsed.log_format) == ("0.0.0.0", 8000, "json")


def test_the_slurm_example_writes_a_job_script():
    pytest.importorskip("dask_jobqueue")
    code = block("python", "SLURMCluster").replace('port": 8786', 'port": 0')
    code = code.partition("cluster.adapt")[0] + "print(cluster.job_script())\n"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=90
    )
    assert ran.returncode == 0, ran.stderr
    assert "#SBATCH -p cpu" in ran.stdout
    assert "#SBATCH --cpus-per-task=16" in ran.stdout
    assert "--nworkers 16" in ran.stdout
    assert "--nthreads 1" in ran.stdout
