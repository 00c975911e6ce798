"""`nightjar metrics`: what it refuses; tests/deploy has Prometheus scrape the real thing."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Nightjar


@pytest.mark.parametrize("token", ["", "hush-too-short"])
def test_without_a_token_it_does_not_start(nightjar: Nightjar, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("NIGHTJAR_METRICS_TOKEN", token)
    answer = nightjar("metrics", "--listen", "127.0.0.1:0")
    assert answer.code == 1
    assert "NIGHTJAR_METRICS_TOKEN" in answer.error
    assert "hush" not in answer.error


@pytest.mark.parametrize("address", ["9464", ":9464", "localhost:", "localhost:http", "localhost:65536", "[::1]:-1"])
def test_an_address_that_is_none_is_a_wrong_command_line(nightjar: Nightjar, address: str) -> None:
    answer = nightjar("metrics", "--listen", address)
    assert answer.code == 2
    assert "127.0.0.1:9464" in answer.error
