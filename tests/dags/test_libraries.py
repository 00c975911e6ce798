"""Workers import libraries ahead of their tasks, and nothing that somebody may edit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

IMPORT = """
import sys
sys.path.insert(0, "plugins")
from nightjar_libraries import LIBRARIES, import_libraries
import_libraries()
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"pipeline", "features", "nightjar_dags"}))
print(*(name for name in LIBRARIES if name not in sys.modules))
"""


def test_libraries_are_imported_quietly_and_code_of_the_project_is_not() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "\n\n"
    assert "great_expectations" not in done.stderr
