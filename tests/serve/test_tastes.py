"""Likes and dislikes to form fields and back."""

import pytest

from persona.errors import BadInput
from persona.serve import tastes
from persona.store.records import FACETS, Preference, Profile


def preference(facet: str, value: str, weight: float) -> Preference:
    return Preference.model_validate({"facet": facet, "value": value, "weight": weight})


KNOWN = (preference("colour", "green", 0.6), preference("category", "hat", -0.3))


def form_of(preferences: tuple[Preference, ...]) -> dict[str, str]:
    """What the page would send for these preferences if nothing were pressed."""
    return {
        tastes.field(facet, value): tastes.choice(preferences, facet, value)
        for facet, values in FACETS.items()
        for value in values
    }


def test_an_untouched_form_changes_nothing() -> None:
    assert set(tastes.from_form(form_of(KNOWN), KNOWN)) == set(KNOWN)
    assert set(tastes.from_form({}, KNOWN)) == set(KNOWN)


def test_each_choice_becomes_a_preference() -> None:
    form = form_of(KNOWN) | {"taste.colour.green": "-1", "taste.category.hat": "0", "taste.style.smart": "1"}
    changed = tastes.from_form(form, KNOWN)
    assert set(changed) == {preference("colour", "green", -1), preference("style", "smart", 1)}
    assert tastes.difference(KNOWN, changed) == "You like smart, do not like green, no longer mind about hat."
    assert tastes.difference(changed, changed) == ""


def test_a_choice_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadInput, match=r"taste\.colour\.green: '2' is no choice"):
        tastes.from_form({"taste.colour.green": "2"})


def test_the_summary_begins_with_the_strongest() -> None:
    profile = Profile(id="u", preferences=(preference("colour", "red", 0.2), *KNOWN))
    assert tastes.summary(profile) == ("green, red", "hat")
    assert tastes.summary(Profile(id="u")) == ("", "")
