"""Contracts and suites: how they are loaded, what is refused, and what their digests depend on."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pytest

from pipeline.contracts import Contract, Suite, load_contract, load_suite
from pipeline.errors import DeclarationError
from pipeline.job import Cast, Role, SchemaPolicy, Source

Declare = Callable[[str], str]

SCHEMA = """
    import pandas as pd
    import pandera.pandas as pandera

    LIMITS = (0, 10)

    def is_small(values):
        '''Small enough.'''
        return values.between(*LIMITS)

    SCHEMA = pandera.DataFrameSchema({
        "id": pandera.Column(str),
        "at": pandera.Column("datetime64[us, UTC]"),
        "amount": pandera.Column("Int64", [pandera.Check.in_range(0, 5), pandera.Check(is_small)], nullable=True),
    })
"""

SUITE = """
    from great_expectations import expectations as gx

    from pipeline.contracts import Suite

    def build(trailing):
        compared = [gx.ExpectColumnValuesToBeBetween(column="rows_ratio", min_value=0.5)] if trailing else []
        return Suite(
            batch=[gx.ExpectColumnMeanToBeBetween(column="amount", min_value=0, severity="warning")], profile=compared
        )
"""


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """A function that puts source text into a module of its own and returns the module's name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    numbers = itertools.count()

    def write(text: str) -> str:
        name = f"declared_{tmp_path.name.replace('-', '_')}_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    return write


def make_source(contract: str, suite: str | None = None, event_time: str | None = None) -> Source:
    return Source(name="orders", role=Role.EVENTS, key=("id",), contract=contract, suite=suite, event_time=event_time)


def digest_of(declare: Declare, text: str) -> str:
    return load_contract(make_source(f"{declare(text)}:SCHEMA")).digest


def test_contract_tells_columns_and_arrow_types(declare: Declare) -> None:
    contract = load_contract(make_source(f"{declare(SCHEMA)}:SCHEMA", event_time="at"))
    assert contract.columns == ("id", "at", "amount")
    assert contract.arrow_schema() == pa.schema(
        [("id", pa.string()), ("at", pa.timestamp("us", "UTC")), ("amount", pa.int64())]
    )
    assert contract.dtypes["amount"] == pd.Int64Dtype()


def test_digest_is_the_same_for_the_same_definition(declare: Declare) -> None:
    assert digest_of(declare, SCHEMA) == digest_of(declare, SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("in_range(0, 5)", "in_range(0, 6)"),
        ("in_range(0, 5)", "in_range(0, 5, error='too much')"),
        ("nullable=True", "nullable=False"),
        ('"Int64"', '"Int32"'),
        ("values.between(*LIMITS)", "~values.between(*LIMITS)"),
        ("values.between(*LIMITS)", "values.between(*[limit + 1 for limit in LIMITS])"),
        ("LIMITS = (0, 10)", "LIMITS = (0, 11)"),
        ('"amount"', '"sum"'),
    ],
)
def test_digest_changes_with_the_definition(declare: Declare, old: str, new: str) -> None:
    assert digest_of(declare, SCHEMA) != digest_of(declare, SCHEMA.replace(old, new))


def test_digest_does_not_change_with_comments_and_docstrings(declare: Declare) -> None:
    changed = SCHEMA.replace("Small enough.", "Quite small.").replace("LIMITS = (", "# bounds\n    LIMITS = (")
    assert digest_of(declare, SCHEMA) == digest_of(declare, changed)


def test_digest_sees_what_a_check_uses_in_a_comprehension(declare: Declare) -> None:
    nested = SCHEMA.replace("(*LIMITS)", "(*[limit for limit in LIMITS])")
    assert digest_of(declare, nested) != digest_of(declare, nested.replace("(0, 10)", "(0, 11)"))


def test_two_lambdas_of_one_line_are_told_apart() -> None:
    checks = [pandera.Check(lambda s: s < 1, name="n"), pandera.Check(lambda s: s > 1, name="n")]
    digests = {Contract(pandera.DataFrameSchema({"n": pandera.Column("int64", check)})).digest for check in checks}
    assert len(digests) == 2


def test_a_library_s_function_as_a_check_counts_by_name() -> None:
    digests = {
        Contract(pandera.DataFrameSchema({"n": pandera.Column("int64", pandera.Check(function, name="n"))})).digest
        for function in (pd.notna, pd.isna, np.isfinite)
    }
    assert len(digests) == 3


def test_a_check_of_what_cannot_be_told_is_refused() -> None:
    frame = pd.DataFrame({"a": [1]})
    contract = Contract(pandera.DataFrameSchema({"n": pandera.Column("int64", pandera.Check(lambda s: s.isin(frame)))}))
    with pytest.raises(DeclarationError, match=r"uses frame, which is a pandas.*make it a plain constant"):
        _ = contract.digest


def test_digest_sees_what_a_check_closes_over() -> None:
    def make(limit: int) -> Contract:
        return Contract(pandera.DataFrameSchema({"n": pandera.Column("int64", pandera.Check(lambda s: s < limit))}))

    assert make(1).digest == make(1).digest
    assert make(1).digest != make(2).digest


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ('{"n": pandera.Column(str)}', "id is part of the key, but the contract has no such column"),
        ('{"id": pandera.Column(str, nullable=True)}', "lets it be missing"),
        ('{"id": pandera.Column(str), "x": pandera.Column(object)}', "x has dtype object"),
        ('{"id": pandera.Column(str), "x": pandera.Column()}', "x has dtype None"),
        ('{"id": pandera.Column(str), "x": pandera.Column("datetime64[ns]")}', "x has dtype datetime64"),
        ('{"id": pandera.Column(str), "x": pandera.Column(int, coerce=True)}', "x cannot declare coerce"),
        ('{"id": pandera.Column(str), "x": pandera.Column(int, required=False)}', "x cannot declare required=False"),
        ('{"id": pandera.Column(str), "x": pandera.Column(int, unique=True)}', "x cannot declare unique"),
        ('{"id": pandera.Column(str), "_row": pandera.Column(int)}', "the column name _row is taken"),
        ('{"id": pandera.Column(str), "x.*": pandera.Column(int, regex=True)}', "cannot declare regex"),
        (
            '{"id": pandera.Column(str, pandera.Check(lambda s: s != "", raise_warning=True))}',
            "it belongs in the suite",
        ),
        ('{"id": pandera.Column(str)}, drop_invalid_rows=True', "a contract cannot declare drop_invalid_rows"),
        ('{"id": pandera.Column(str)}, index=pandera.Index(int)', "a contract cannot declare index"),
    ],
)
def test_what_cannot_be_judged_row_by_row_is_refused(declare: Declare, columns: str, problem: str) -> None:
    module = declare(f"import pandera.pandas as pandera\nSCHEMA = pandera.DataFrameSchema({columns})")
    with pytest.raises(DeclarationError, match="'orders'") as error:
        load_contract(make_source(f"{module}:SCHEMA"))
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        (
            SchemaPolicy(casts=(Cast(column="sum", types=()),)),
            "a cast of sum is declared, but the contract has no such",
        ),
        (SchemaPolicy(casts=(Cast(column="amount", types=("text",)),)), "amount may not come as text"),
        (SchemaPolicy(known_columns=("amount",)), "amount cannot be left out on purpose"),
    ],
)
def test_a_policy_of_what_does_not_exist_is_refused(declare: Declare, policy: SchemaPolicy, problem: str) -> None:
    source = make_source(f"{declare(SCHEMA)}:SCHEMA").model_copy(update={"schema_policy": policy})
    with pytest.raises(DeclarationError) as error:
        load_contract(source)
    assert problem in str(error.value)


def test_event_time_must_be_a_timestamp_in_utc(declare: Declare) -> None:
    with pytest.raises(DeclarationError, match="amount is the event time, but the contract lets it be missing"):
        load_contract(make_source(f"{declare(SCHEMA)}:SCHEMA", event_time="amount"))
    module = declare(SCHEMA.replace(", UTC]", ", America/New_York]"))
    with pytest.raises(DeclarationError, match="declared wrongly"):
        load_contract(make_source(f"{module}:SCHEMA", event_time="at"))


def test_what_is_no_schema_is_refused(declare: Declare) -> None:
    with pytest.raises(DeclarationError, match="not a pandera DataFrameSchema"):
        load_contract(make_source(f"{declare('SCHEMA = 1')}:SCHEMA"))


def suite_digest(source: Source, trailing: int) -> str:
    suite = load_suite(source, trailing)
    assert suite is not None
    return suite.digest


def test_source_without_suite_has_none(declare: Declare) -> None:
    source = make_source(f"{declare(SCHEMA)}:SCHEMA")
    assert load_suite(source, trailing=3) is None


def test_suite_is_built_for_the_trailing_partitions(declare: Declare) -> None:
    source = make_source("x:y", f"{declare(SUITE)}:build")
    first, later = load_suite(source, trailing=0), load_suite(source, trailing=3)
    assert first is not None
    assert later is not None
    assert first.profile_columns == ()
    assert later.profile_columns == ("rows_ratio",)
    assert suite_digest(source, trailing=3) == later.digest == suite_digest(source, trailing=2)
    assert first.digest != later.digest


@pytest.mark.parametrize(
    ("old", "new"), [("min_value=0,", "min_value=1,"), ('severity="warning"', 'severity="critical"')]
)
def test_suite_digest_changes_with_the_expectations(declare: Declare, old: str, new: str) -> None:
    one = make_source("x:y", f"{declare(SUITE)}:build")
    other = make_source("x:y", f"{declare(SUITE.replace(old, new))}:build")
    assert suite_digest(one, trailing=0) != suite_digest(other, trailing=0)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("[]", "did not return a Suite"),
        ('Suite(batch=["mean"])', "'mean' is not an expectation"),
        ("Suite(batch=[gx.ExpectTableRowCountToEqual(value=3)])", "belongs in profile"),
    ],
)
def test_wrong_suites_are_refused(declare: Declare, body: str, problem: str) -> None:
    module = declare(
        "from great_expectations import expectations as gx\nfrom pipeline.contracts import Suite\n"
        f"def build(trailing):\n    return {body}\n"
    )
    with pytest.raises(DeclarationError) as error:
        load_suite(make_source("x:y", f"{module}:build"), trailing=0)
    assert problem in str(error.value)


def test_suite_keeps_what_it_was_given() -> None:
    assert Suite(batch=[1], profile=[2]) == Suite(batch=(1,), profile=(2,))


def test_importing_contracts_loads_neither_pandera_nor_great_expectations() -> None:
    code = "import sys, pipeline.contracts; print(sorted({'pandera', 'great_expectations'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
