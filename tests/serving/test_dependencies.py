"""Applications take the reader without the rest of Nightjar."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import redis

from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.samples import JOB, make_predictions, publish
from tests.stores.predictions.server import RedisServer

ROOT = Path(__file__).resolve().parents[2]
TAKEN = [
    "pipeline/__init__.py",
    "pipeline/keyspace.py",
    "pipeline/redis_url.py",
    "pipeline/digests.py",
    "pipeline/errors.py",
    "pipeline/serving",
]

APPLICATION = """
import sys
sys.path.insert(0, sys.argv[1])

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in {"redis", "async_timeout", "pipeline"}:
            return None
        raise ModuleNotFoundError(f"nothing else is installed: {name}", name=name)

sys.meta_path.insert(0, Refuse())
import json
from pipeline.serving import Reader
prediction = Reader(sys.argv[2], sys.argv[3]).get(sys.argv[4])
print(json.dumps([prediction.value, sorted(name for name in sys.modules if name.startswith("pipeline"))]))
"""


def test_the_reader_works_where_only_redis_is_installed(
    store: PredictionStore, server: RedisServer, tmp_path: Path
) -> None:
    publish(store, make_predictions(100))
    packages = Path(redis.__file__).parents[1]
    shutil.copytree(packages / "redis", tmp_path / "redis", ignore=shutil.ignore_patterns("__pycache__"))
    if (packages / "async_timeout").exists():  # redis-py needs it before Python 3.11.3
        shutil.copytree(packages / "async_timeout", tmp_path / "async_timeout")
    for name in TAKEN:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target)
    command = [sys.executable, "-I", "-S", "-c", APPLICATION, str(tmp_path), server.url, JOB, "parcel 7"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    value, modules = json.loads(answer.stdout)
    assert value == make_predictions(100)["parcel 7"]
    allowed = {"serving", "keyspace", "redis_url", "digests", "errors"}
    assert not [name for name in modules if not allowed.issuperset(name.split(".")[1:2])]
