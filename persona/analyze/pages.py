"""The pages DICTIONARY.md and QUESTIONS.md beside this file, as they should be: `python -m persona.analyze.pages`."""

from __future__ import annotations

import inspect
from pathlib import Path

from persona.analyze.answers import ANSWERS, FAVOURABLE, reactions
from persona.analyze.dictionary import Column, View, dictionary
from persona.analyze.questions import Question, questions
from persona.store.popularity import SEGMENT

HERE = Path(__file__).parent
_DICTIONARY = """# The data dictionary

What analysts read, on SQLite and PostgreSQL alike: {count} views. Times are in UTC. Only users are in them who have
allowed `analytics` and are no children, and nothing of them that tells who they are; erasing a user empties all of them
of what was theirs. Types: id, word (one of a few), text, int, number, time, date, flag, json, vector (float32).
"""
_QUESTIONS = """# Ten questions

Each with the SQL that answers it on both databases (`persona analyze sql NAME --param a=b`, or `store.sql("NAME")`),
and with pandas, where `store` is what `persona.analyze.open_store()` gives. A test holds the two answers together. In
SQL every parameter has a default; groups of fewer than {least} users are left out unless `at_least` says otherwise.

Those about what was shown rest on this:

```python
FAVOURABLE = {favourable}


{shared}```
"""


def dictionary_page() -> str:
    """DICTIONARY.md."""
    return _DICTIONARY.format(count=len(dictionary())) + "".join(_of_view(view) for view in dictionary().values())


def questions_page() -> str:
    """QUESTIONS.md."""
    shared = inspect.getsource(reactions)
    page = _QUESTIONS.format(least=SEGMENT, favourable=FAVOURABLE, shared=shared)
    return page + "".join(_of_question(question) for question in questions().values())


def _of_view(view: View) -> str:
    rows = "".join(_row(column) for column in view.columns.values())
    keys = ", ".join(f"`{name}`" for name in view.key)
    return f"\n## {view.name}\n\n{view.about} A row for each {keys}.\n\n| Column | Type | |\n|---|---|---|\n{rows}"


def _row(column: Column) -> str:
    kind = f"{column.type} or null" if column.null else column.type
    return f"| `{column.name}` | {kind} | {column.about.replace('|', chr(92) + '|')} |\n"


def _of_question(question: Question) -> str:
    parameters = "".join(
        f"- `{p.name}` ({', '.join(p.choices) or p.type}; default {p.default}): {p.about}\n"
        for p in question.parameters
    )
    code = inspect.getsource(ANSWERS[question.name])
    return (
        f"\n## {question.title}\n\n`{question.name}`\n\n{parameters}\n```sql\n{question.sql}\n```\n\n"
        f"```python\n{code}```\n"
    )


PAGES = {HERE / "DICTIONARY.md": dictionary_page, HERE / "QUESTIONS.md": questions_page}

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page())
