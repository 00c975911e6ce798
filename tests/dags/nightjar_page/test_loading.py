"""The plugin is loaded by every process of Airflow: it brings next to nothing with it."""

from __future__ import annotations

from tests.dags.test_parsing import run_python

LOAD = """
import json, sys
import airflow.plugins_manager, airflow.timetables.interval, airflow.configuration, pendulum
before = set(sys.modules)
import nightjar_plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_loading_the_plugin_loads_two_small_modules() -> None:
    assert run_python(LOAD) == ["nightjar_page", "nightjar_plugin"]


def test_airflow_takes_the_plugin_once_and_nothing_of_the_page_for_another() -> None:
    plugins = run_python(
        "import json; from airflow import plugins_manager as manager;"
        "plugins, errors = manager._get_plugins();"
        "print(json.dumps([[plugin.name for plugin in plugins if plugin.name == 'nightjar'], errors]))"
    )
    assert plugins == [["nightjar"], {}]
