"""The saved questions: SQL and pandas answer alike on both databases, and parameters are read as their types."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from persona.analyze import AnalystStore
from persona.analyze.answers import ANSWERS, answer_in_pandas
from persona.analyze.questions import Parameter, questions
from persona.errors import BadInput
from persona.store.popularity import SEGMENT

OTHERS = {
    "since": date(2025, 1, 4),
    "at_least": 5,
    "facet": "style",
    "trait": "age_band",
    "age_band": "25-34",
    "count": 3,
}


def alike(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in one order and columns of plain types, so that frames of two makings compare."""
    plain = frame.apply(lambda column: column.astype(object) if column.dtype == "category" else column)
    key = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    return plain.sort_values(key).reset_index(drop=True)


@pytest.mark.parametrize("name", questions())
@pytest.mark.parametrize("default", [True, False])
def test_sql_and_pandas_answer_alike(company: AnalystStore, name: str, default: bool) -> None:
    question = questions()[name]
    given = {} if default else {p.name: OTHERS[p.name] for p in question.parameters}
    in_sql = company.sql(name, given)
    in_pandas = answer_in_pandas(company, name, question.values(given))
    assert len(in_sql) > 0
    pd.testing.assert_frame_equal(alike(in_sql), alike(in_pandas), check_dtype=False, rtol=1e-9)


def test_every_question_has_both_answers_and_hides_the_same_groups() -> None:
    assert list(ANSWERS) == list(questions())
    least = [p.default for question in questions().values() for p in question.parameters if p.name == "at_least"]
    assert least == [SEGMENT] * 8


def test_a_question_s_rows_come_in_the_order_that_it_says(company: AnalystStore) -> None:
    assert company.sql("top-items")["wanted"].is_monotonic_decreasing
    assert list(company.sql("active-users").dtypes.astype(str)[["month", "users"]]) == ["datetime64[us]", "int64"]


def test_small_groups_are_left_out(company: AnalystStore) -> None:
    assert (
        company.sql("colours-by-age", {"at_least": 1})["users"].min()
        < 20
        <= company.sql("colours-by-age")["users"].min()
    )


@pytest.mark.parametrize(
    ("parameter", "given", "why"),
    [
        (Parameter("n", "int", 1), "three", "n: 'three' is no value of it; give a whole number"),
        (Parameter("n", "number", 1.0), "", "n: '' is no value"),
        (Parameter("since", "date", date(2025, 1, 1)), "31.3.2026", "give a day such as 2026-03-31"),
        (Parameter("facet", "word", "a", choices=("a", "b")), "c", "facet: 'c' is none of a, b"),
    ],
)
def test_values_that_are_none_of_a_parameter(parameter: Parameter, given: str, why: str) -> None:
    with pytest.raises(BadInput, match=why.replace("(", "\\(")):
        parameter.read(given)


def test_values_are_read_from_text() -> None:
    assert questions()["top-items"].values({"count": "7", "since": "2025-02-03"}) == {
        "count": 7,
        "since": date(2025, 2, 3),
    }


def test_names_that_are_none(company: AnalystStore) -> None:
    with pytest.raises(BadInput, match="there is no question 'colors'; choose from colours-by-age"):
        company.sql("colors")
    with pytest.raises(BadInput, match="cuont: is no parameter of top-items; it has since, count"):
        company.sql("top-items", {"cuont": 3})
