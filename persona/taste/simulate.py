"""The simulator: users with a known taste acting on a real catalogue. What it makes is always labelled "simulated".

How a user comes about, every draw from one seed:

1. **Taste.** For each value of each facet an affinity, Laplace-distributed (most are weak, a few strong) with mean 0
   and the facet's deviation (`Simulator.category`, `.colour`, `.pattern`, `.style`); and a direction in the space of
   content vectors, normal, scaled so that over the catalogue it adds a deviation of about `.visual`. The utility of an
   item is the sum of the affinities of its values, the visual direction times its content vector, and `appeal` times
   the item's quality, which is the same for all users. With `ages` above 0 a user has an age band, and those of one
   band share a part of their affinities, normal with `ages` times the facet's deviation: an invention, off by default.
2. **Popularity and exposure.** An item's quality is standard normal (seeded by `world`, so that many sets of users
   can live in one world); it is shown in proportion to exp(`exposure` * quality). At each step the user is shown
   `slate` items: with chance `search` all from one shelf (one category and colour), drawn in proportion to
   exp(affinities) times how much of that shelf is shown; otherwise from the whole catalogue. Who searches twice running
   is with chance `staying` still at the same shelf: a session.
3. **Action and noise.** With chance `disliking` the user, not searching, reacts to the worst of the slate: dislike (2
   in 3) or hide. Otherwise they take the one with the highest utility plus Gumbel noise of scale `noise`. How good
   that item is within the whole catalogue for this user, in standard deviations plus normal noise of .5, decides the
   type: view below .75, like below 1.5, save below 2, cart below 2.5, else purchase. An item taken before is passed
   over: such a step leaves no event, which at 30 steps is about one in five.
4. **Time.** The number of steps is log-normal with mean `events` (deviation .6 of its logarithm, from 3 to 200). They
   fill the time from a start, uniform over the last `days` days, to `until`, with log-normal gaps: bursts and pauses.
5. **Stated preferences.** A share `stating` of the users states between `statements[0]` and `statements[1]` of them,
   strong affinities more often than weak ones and likes more often than dislikes, only of values that the catalogue
   has. The sign is the affinity's, the weight a third of its size in deviations, from .1 to 1. Skin tone
   and body shape have nothing to do with taste, and age is left unknown (but for `ages`): to tie them would be to
   invent it.

How strong popularity and taste are is set by real data, Amazon's Beauty ratings (5-core), by five figures. In a world
of its size (12,101 items: real garments, jittered copies among them; 16 events each), leave-one-out with all items
ranked, NDCG@10, by `persona.taste.calibrate`:

| figure | Beauty | simulated, two worlds |
| --- | --- | --- |
| share of events that the most popular tenth of items gets | .428 | .449, .453 |
| popularity | .0063 | .0086, .0075 |
| directed, time-decayed item co-occurrence | .063 (10.0 times) | .056, .054 (6.5, 7.2 times) |
| popularity, each user's order shuffled | .0102 | .0080, .0093 |
| co-occurrence, shuffled | .048 (4.7 times) | .039, .039 (4.9, 4.2 times) |

The shuffled figures are what lasting taste explains, the others have in them what a user is after just now. They set
`exposure`, `appeal`, `visual`, `staying`, `noise` and the scale of the other deviations, by a search of some twenty
worlds on these five figures; how far the taste model stands above popularity had been seen meanwhile, and the last
change lowered it. Other mixtures fit nearly as well. The ratios of the deviations, the
rest of the numbers, and that garments are chosen as sharply as cosmetics are guesses. Beauty's popularity drifts over
ten years, which makes popularity worth less in order than out of it; here it does not, so that the multiple in order
stays below Beauty's. Its people buy again by brand; here that is taken for taste.
So these users keep to fewer kinds of garment than people's own wardrobes do: two garments of one owner share category
and colour 1.8 and 1.5 times as often as two of any owners, two that a simulated user liked 4.4 and 2.9 times.

What it leaves out: seasons, fashion and taste that drift, sizes, prices, brands, friends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from persona.errors import BadInput
from persona.store.loading import TraitName
from persona.store.records import EVENT_TYPES, FACETS, AgeBand, Event, Profile, Purpose, Traits
from persona.taste.exposure import Shelves
from persona.taste.history import TYPE_CODES
from persona.taste.table import DIMENSIONS, STATEMENTS, Codes, Floats, ItemTable
from persona.taste.users import Ints, Times, Users

_GRADES = (0.75, 1.5, 2.0, 2.5)
_GRADED = np.array([TYPE_CODES[name] for name in ("view", "like", "save", "cart", "purchase")])
_CELLS = 20_000_000  # utilities held at once: users of a chunk times items
_BLOCK = 1024  # steps whose slates are worked on at once: they fit the processor's cache
STATED = 3.0  # deviations of an affinity that is stated with weight 1
AGE_BANDS: tuple[AgeBand, ...] = get_args(AgeBand)[1:]  # of adults
BODY_SHAPES = ("rectangle", "hourglass", "pear", "apple", "inverted-triangle")
CONSENTS: tuple[Purpose, ...] = ("personalisation", "training", "analytics")
UNSAID = 0.1  # of the users leave such a trait unknown
UNTIL = datetime(
    2025, 5, 31, 23, 59, tzinfo=UTC
)  # a month's end: else the next would have everybody's last event alone


@dataclass(frozen=True)
class Simulator:
    """The simulator's numbers; see the module for what each does."""

    category: float = 2.1
    colour: float = 1.75
    pattern: float = 1.4
    style: float = 1.4
    visual: float = 0.4
    appeal: float = 0.2
    exposure: float = 0.8
    search: float = 0.7
    staying: float = 0.5
    slate: int = 60
    noise: float = 0.4
    disliking: float = 0.12
    events: float = 30.0
    stating: float = 0.75
    statements: tuple[int, int] = (1, 6)
    days: float = 180.0
    until: datetime = UNTIL
    world: int = 0
    ages: float = 0.0

    def deviations(self) -> Floats:
        """The deviation of each affinity, float32 (37,), in the order of STATEMENTS."""
        return np.repeat([getattr(self, facet) for facet in FACETS], list(map(len, FACETS.values()))).astype(np.float32)


DEFAULT = Simulator()


@dataclass(frozen=True)
class Tastes:
    """Latent tastes of u users: affinity float32 (u, 37), in the order of STATEMENTS; visual float32 (u, 64)."""

    affinity: Floats
    visual: Floats


@dataclass(frozen=True)
class Simulation:
    """Simulated users, what they did and stated, and the tastes behind it.

    band: (u,) in AGE_BANDS; tone: (u,) Monk skin tone; body: (u,) in BODY_SHAPES; -1 unknown.
    """

    users: Users
    tastes: Tastes
    band: Ints
    tone: Ints
    body: Ints

    def traits(self) -> dict[TraitName, list[Any]]:
        """What they say of themselves, each trait of all users."""
        return {
            "age_band": [AGE_BANDS[band] if band >= 0 else None for band in self.band.tolist()],
            "skin_tone": [tone if tone >= 0 else None for tone in self.tone.tolist()],
            "body_shape": [BODY_SHAPES[body] if body >= 0 else None for body in self.body.tolist()],
        }

    def profiles(self) -> Iterator[Profile]:
        """The users as records, consenting to what CONSENTS names, with source "simulated"."""
        told, consents = self.traits(), dict.fromkeys(CONSENTS, True)
        for number, name in enumerate(self.users.ids):
            traits = Traits(**{trait: values[number] for trait, values in told.items()})
            preferences = self.users.preferences(number)
            yield Profile(id=name, traits=traits, preferences=preferences, consents=consents, source="simulated")

    def events(self, table: ItemTable) -> Iterator[Event]:
        """What they did, as records."""
        return records_of(self.users, table)


def simulate(
    table: ItemTable, users: int, seed: int = 0, settings: Simulator = DEFAULT, *, first: int = 0
) -> Simulation:
    """Simulate users over a catalogue. Raises BadInput if there are no items or no users to simulate.

    first: number of the first of them, where they are one part of many that are simulated part by part.
    """
    if len(table) == 0:
        raise BadInput("items", "the catalogue is empty; import items first, then simulate")
    if users < 1:
        raise BadInput("users", f"{users} cannot be simulated; ask for at least 1")
    rng = np.random.default_rng([settings.world, seed, *([first] if first else [])])
    tastes, band = draw_tastes(users, rng, settings), np.full(users, -1)
    if settings.ages:
        band = rng.integers(0, len(AGE_BANDS), users)
        tastes.affinity[:] += _shared_by_age(settings)[band]
    counts = rng.lognormal(np.log(settings.events) - 0.6**2 / 2, 0.6, users).round().clip(3, 200).astype(np.int64)
    ids = simulated_ids(users, seed, first)
    stated, statement, weight = _state(tastes.affinity, table, rng, settings)
    acted = act(tastes, counts, table, rng, settings)
    made = Users(ids, *acted, stated, statement, weight, np.ones(users, bool))
    return Simulation(made, tastes, band, *_looks(users, np.random.default_rng([settings.world, seed, first, 1])))


def _looks(users: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Skin tones and body shapes, which have nothing to do with tastes here."""
    tone, body = rng.integers(1, 11, users), rng.integers(0, len(BODY_SHAPES), users)
    unsaid = rng.random((2, users)) < UNSAID
    return np.where(unsaid[0], -1, tone), np.where(unsaid[1], -1, body)


def simulated_ids(users: int, seed: int, first: int = 0) -> list[str]:
    """The ids of so many simulated users, from number `first` on."""
    return [f"simulated-{seed}-{number:06d}" for number in range(first, first + users)]


def draw_tastes(users: int, rng: np.random.Generator, settings: Simulator) -> Tastes:
    """Latent tastes of so many users."""
    affinity = rng.laplace(0, 2**-0.5, (users, len(STATEMENTS))).astype(np.float32) * settings.deviations()
    scale = np.float32(settings.visual / np.sqrt(DIMENSIONS))
    return Tastes(affinity, rng.standard_normal((users, DIMENSIONS), np.float32) * scale)


def _shared_by_age(settings: Simulator) -> Floats:
    """What the people of each age band have in common: affinities float32 (6, 37), the same throughout a world."""
    rng = np.random.default_rng([settings.world, len(AGE_BANDS)])
    shared = rng.standard_normal((len(AGE_BANDS), len(STATEMENTS)), np.float32)
    return np.float32(settings.ages) * shared * settings.deviations()


def quality(table: ItemTable, settings: Simulator) -> Floats:
    """How good each item of this world is to everybody, float32 (n,), standard normal."""
    return np.random.default_rng([settings.world, len(table)]).standard_normal(len(table), np.float32)


def utilities(tastes: Tastes, table: ItemTable, settings: Simulator) -> Floats:
    """Utility of every item for every user, without noise: float32 (u, n)."""
    common = np.float32(settings.appeal) * quality(table, settings)
    return liking(tastes, table.codes, table.features) + common


def liking(tastes: Tastes, codes: Codes, features: Floats) -> Floats:
    """What users make of things by taste alone, float32 (u, n): facet codes (n, 4) and content vectors (n, 64)."""
    return tastes.affinity @ _told(codes).T + tastes.visual @ features.T


def _told(codes: Codes) -> Floats:
    """Facet codes (n, up to 4) as ones at their places in STATEMENTS, float32 (n, 37); nothing for unknown ones."""
    told = np.zeros((len(codes), len(STATEMENTS)), np.float32)
    offset = 0
    for values, column in zip(FACETS.values(), codes.T):
        known = np.flatnonzero(column >= 0)
        told[known, offset + column[known]] = 1
        offset += len(values)
    return told


def act(
    tastes: Tastes, counts: Ints, table: ItemTable, rng: np.random.Generator, settings: Simulator
) -> tuple[Ints, Ints, Ints, Times]:
    """Steps 2 to 4 for users of given tastes, counts (u,) steps each: starts (u + 1,), rows, types and times (m,)."""
    chunk = max(1, _CELLS // len(table))
    owner = np.repeat(np.arange(len(counts)), counts)
    at = _times(counts, rng, settings)
    rows, kinds = [], []
    for first in range(0, len(counts), chunk):
        part = Tastes(tastes.affinity[first : first + chunk], tastes.visual[first : first + chunk])
        steps = np.repeat(np.arange(len(part.affinity)), counts[first : first + chunk])
        row, kind = _choose(part, steps, table, rng, settings)
        rows.append(row)
        kinds.append(kind)
    row, kind = np.concatenate(rows), np.concatenate(kinds)
    _, first_time = np.unique(owner * len(table) + row, return_index=True)
    kept = np.sort(first_time)
    starts = np.concatenate([[0], np.cumsum(np.bincount(owner[kept], minlength=len(counts)))])
    return starts.astype(np.int64), row[kept], kind[kept], at[kept]


def _choose(
    tastes: Tastes, steps: Ints, table: ItemTable, rng: np.random.Generator, settings: Simulator
) -> tuple[Ints, Ints]:
    """For each step (m,), naming its user: the row acted on and the type of event."""
    utility = utilities(tastes, table, settings)
    dislikes = rng.random(len(steps)) < settings.disliking
    searching = (rng.random(len(steps)) < settings.search) & ~dislikes
    slate = _show(tastes.affinity, steps, searching, table, rng, settings)
    place = np.empty(len(steps), np.int64)
    for block in _blocks(len(steps)):
        worth = utility[steps[block, None], slate[block]]
        wanted = worth + rng.gumbel(0, settings.noise, worth.shape).astype(np.float32)
        place[block] = np.where(dislikes[block], worth.argmin(1), wanted.argmax(1))
    row = slate[np.arange(len(steps)), place].astype(np.int64)
    mean, deviation = utility.mean(1), utility.std(1).clip(1e-6)
    grade = (utility[steps, row] - mean[steps]) / deviation[steps] + rng.normal(0, 0.5, len(steps))
    kind = _GRADED[np.searchsorted(_GRADES, grade)]
    against = np.where(rng.random(len(steps)) < 2 / 3, TYPE_CODES["dislike"], TYPE_CODES["hide"])
    return row, np.where(dislikes, against, kind)


def _show(
    affinity: Floats,
    steps: Ints,
    searching: NDArray[np.bool_],
    table: ItemTable,
    rng: np.random.Generator,
    settings: Simulator,
) -> NDArray[np.int32]:
    """The slates (m, slate): rows drawn by exposure, of the whole catalogue or, searching, of one of its shelves."""
    shelves = Shelves(table.codes, settings.exposure * quality(table, settings).astype(np.float64))
    wish = np.cumsum(np.exp(affinity @ _told(shelves.codes).T) * (shelves.high - shelves.low), 1)
    draw = rng.random(len(steps)) * wish[steps, -1]
    chosen = np.empty(len(steps), np.int64)
    for block in _blocks(len(steps)):
        chosen[block] = (wish[steps[block]] < draw[block, None]).sum(1)
    chosen = np.minimum(chosen, len(shelves.codes) - 1)[_since(steps, searching, rng, settings)]
    bottom, top = np.where(searching, shelves.low[chosen], 0.0), np.where(searching, shelves.high[chosen], shelves.all)
    slate = np.empty((len(steps), settings.slate), np.int32)
    for block in _blocks(len(steps)):
        points = rng.random((len(bottom[block]), settings.slate)) * (top - bottom)[block, None]
        slate[block] = shelves.at(points + bottom[block, None])
    return slate


def _blocks(steps: int) -> Iterator[slice]:
    """So many steps in parts: draws made part by part are those made at once."""
    return (slice(start, start + _BLOCK) for start in range(0, steps, _BLOCK))


def _since(steps: Ints, searching: NDArray[np.bool_], rng: np.random.Generator, settings: Simulator) -> Ints:
    """For each step (m,) the step at which its search began: a user who searches may stay on the shelf they were at."""
    stays = rng.random(len(steps)) < settings.staying
    stays[1:] &= (steps[1:] == steps[:-1]) & searching[1:] & searching[:-1]
    stays[:1] = False
    return np.maximum.accumulate(np.where(stays, 0, np.arange(len(steps))))


def _times(counts: Ints, rng: np.random.Generator, settings: Simulator) -> Times:
    """Times (m,) in seconds since 1970, rising within each user."""
    gaps = rng.lognormal(0, 1.5, int(counts.sum()))
    ends = np.cumsum(counts)
    total = np.cumsum(gaps)
    before = np.repeat(np.concatenate([[0.0], total[ends[:-1] - 1]]), counts)
    span = np.repeat(total[ends - 1], counts) - before
    active = np.repeat(rng.uniform(0, settings.days * 86400, len(counts)), counts)
    return np.round(settings.until.timestamp() - active * (1 - (total - before) / span))


def _state(
    affinity: Floats, table: ItemTable, rng: np.random.Generator, settings: Simulator
) -> tuple[Ints, Ints, Floats]:
    """Stated preferences: starts (u + 1,), positions in STATEMENTS and weights."""
    low, high = settings.statements
    talks = rng.random(len(affinity)) < settings.stating
    wanted = np.where(talks, rng.integers(low, high + 1, len(affinity)), 0)
    pull = 1.5 * np.where(affinity > 0, affinity, -0.6 * affinity) + rng.gumbel(0, 1, affinity.shape)
    offset = 0
    for number, values in enumerate(FACETS.values()):
        absent = np.setdiff1d(np.arange(len(values)), table.codes[:, number])
        pull[:, offset + absent] = -np.inf
        offset += len(values)
    counts = np.minimum(wanted, np.isfinite(pull).sum(1))
    ranked = np.argsort(-pull, 1)
    user, place = np.nonzero(np.arange(pull.shape[1])[None, :] < counts[:, None])
    statement = ranked[user, place]
    strength = affinity[user, statement] / settings.deviations()[statement]
    weight = np.sign(strength) * (np.abs(strength) / STATED).clip(0.1, 1).round(1)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), statement, weight.astype(np.float32)


def records_of(users: Users, table: ItemTable) -> Iterator[Event]:
    """Events of users as records, with keys from the user's id and the event's place."""
    for number, name in enumerate(users.ids):
        part = users.history(number)
        parts = zip(users.row[part].tolist(), users.kind[part].tolist(), users.at[part].tolist(), strict=True)
        for place, (row, kind, at) in enumerate(parts):
            yield Event(
                key=f"{name}-{place}",
                user_id=name,
                item_id=table.ids[row],
                type=EVENT_TYPES[kind],
                at=datetime.fromtimestamp(at, UTC),
            )
