"""The taste model: item vectors from content, user vectors from preferences and history, scores by their product.

An item is LayerNorm(MLP(content vector) + attribute embeddings + id embedding). A user is read by pre-norm causal
transformer blocks (Vaswani et al. 2017; over items: SASRec, Kang and McAuley 2018) from the tokens

    [stated preferences | context | last 50 events]

A preference is the embedding of its value, the same that items have, times its weight. An event is the item's vector
(of a disliked one its opposite, to begin with) and embeddings of the type and the time passed; how many events ago it
was, attention learns as a bias by distance (Shaw et al. 2018; Raffel et al. 2020), so that the same steps mean the same
in a short history and a long one. The preferences and the context see one another, an event sees them and the events
before it. The vector read at the context is what preferences alone say; the one at an event predicts what comes next.
The score of item i for user u is u.v_i + prior_i, the prior being the item's popularity: a user of whom nothing is
known is the zero vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from persona import modelfolder
from persona.errors import OutOfDate
from persona.store.records import EVENT_TYPES, Profile
from persona.taste.cooccurrence import NEUTRAL, Fusion
from persona.taste.history import GAP_BUCKETS, LONGEST, NEGATIVE_CODES, TYPE_CODES, HistoryEntry, gap_buckets
from persona.taste.table import DIMENSIONS, STATEMENTS, UNKNOWN, Codes, Floats, Items, statement_code

KIND = "taste"
PRIOR_COUNT = 10.0  # events an item needs before its popularity is believed over the catalogue's mean
_PAD = -1


@dataclass(frozen=True)
class TasteConfig:
    """Sizes and dropouts.

    attribute_dropout: of one attribute; bare: of all of an item's, as of a new item of which there is only a picture.
    content: numbers of a content vector, 0 where items have none. vocabulary: values that attributes can have.
    fusion: what co-occurrence adds to its scores, chosen with it. feature_version: the visual network whose content
    vectors the model was trained on. epsilon, delta: the privacy of each user whom it was trained on
    (`persona.taste.private`); None: none is promised.
    """

    width: int = 64
    blocks: int = 1
    heads: int = 4
    content: int = DIMENSIONS
    vocabulary: int = len(STATEMENTS)
    dropout: float = 0.1
    id_dropout: float = 0.3
    attribute_dropout: float = 0.1
    bare: float = 0.1
    fusion: Fusion = NEUTRAL
    feature_version: str = ""
    epsilon: float | None = None
    delta: float | None = None


@dataclass(frozen=True)
class Tokens:
    """What is read of b users, padded with -1 at the end: preferences (b, p) and events (b, t).

    preference: positions in the vocabulary; weight: -1 to 1; kind: event type codes; gap: buckets; events: item vectors
    (b, t, d).
    """

    preference: Tensor
    weight: Tensor
    kind: Tensor
    gap: Tensor
    events: Tensor


class Block(nn.Module):
    """One pre-norm transformer block, whose attention has a learned bias for each distance between events."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(dropout)
        self.distance = nn.Parameter(torch.zeros(heads, LONGEST + 1))

    @torch.no_grad()
    def begin(self) -> None:
        """Set the weights so that the block adds the mean of what it sees, and little else."""
        d = self.merge.in_features
        self.queries_keys_values.weight[: 2 * d].normal_(std=0.02)
        self.queries_keys_values.weight[2 * d :].copy_(torch.eye(d))
        self.merge.weight.copy_(torch.eye(d))
        self.contract.weight.normal_(std=0.02)
        for linear in (self.queries_keys_values, self.merge, self.contract):
            linear.bias.zero_()

    def forward(self, x: Tensor, hidden: Tensor, distance: Tensor, at: Tensor | None = None) -> Tensor:
        """x (b, s, d) to the same. hidden: float (b, 1, s, s), -inf where a row must not see a column; distance: int64
        (s, s). at: int64 (b,), the one place of each row that is wanted: then (b, 1, d), at a fraction of the cost."""
        b, s, d = x.shape
        normed, bias = self.before_attention(x), self.distance[:, distance]
        asking = normed
        if at is not None:
            every = torch.arange(b, device=x.device)
            x, asking, hidden = x[every, at][:, None], normed[every, at][:, None], hidden[every, :, at][:, :, None]
            bias = bias[:, at].transpose(0, 1)[:, :, None]
        weight, shift = (
            self.queries_keys_values.weight.split((d, 2 * d)),
            self.queries_keys_values.bias.split((d, 2 * d)),
        )
        q = F.linear(asking, weight[0], shift[0]).view(b, -1, self.heads, d // self.heads).transpose(1, 2)
        k, v = F.linear(normed, weight[1], shift[1]).view(b, s, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, hidden + bias, self.dropout if self.training else 0.0)
        x = x + self.drop(self.merge(seen.transpose(1, 2).reshape(x.shape)))
        return x + self.drop(self.contract(F.gelu(self.expand(self.before_mlp(x)))))


class TasteModel(nn.Module):
    """See the module. ids: the items that have an embedding of their own; every other item is told by its content.

    The id embedding starts at zero and is dropped with p = `id_dropout` in training, so content and attributes carry a
    new item alone; `without_ids` gives a model that reads any catalogue.
    """

    def __init__(self, config: TasteConfig, ids: Sequence[str] = ()) -> None:
        super().__init__()
        self.config, self.version = config, "untrained"
        self.ids = {name: row + 1 for row, name in enumerate(ids)}  # row 0: no id
        d = config.width
        self.content = (
            nn.Sequential(nn.Linear(config.content, 2 * d), nn.GELU(), nn.Linear(2 * d, d)) if config.content else None
        )
        self.attributes = nn.Embedding(config.vocabulary + 1, d, padding_idx=0)  # row 0: unknown
        self.id_embedding = nn.Embedding(len(ids) + 1, d, padding_idx=0)
        self.item_norm = nn.LayerNorm(d)
        self.stated = nn.Parameter(torch.zeros(d))
        self.context = nn.Parameter(torch.zeros(d))
        self.type_gate, self.type_shift = nn.Embedding(len(EVENT_TYPES), d), nn.Embedding(len(EVENT_TYPES), d)
        self.gap = nn.Embedding(GAP_BUCKETS, d)
        self.blocks = nn.ModuleList(Block(d, config.heads, config.dropout) for _ in range(config.blocks))
        self.user_norm, self.out = nn.LayerNorm(d), nn.Linear(d, d)
        self.drop = nn.Dropout(config.dropout)
        self.prior_weight = nn.Parameter(torch.ones(()))
        self._initialise()

    def _initialise(self) -> None:
        """Begin as a plain mean of the history less what was disliked: training then starts from sense, not noise."""
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.1)
                if module.padding_idx is not None:
                    nn.init.zeros_(module.weight[module.padding_idx])
        with torch.no_grad():
            if self.config.content:
                self.id_embedding.weight.zero_()
            self.type_gate.weight.fill_(1)
            self.type_gate.weight[list(NEGATIVE_CODES)] = -1
            for block in self.blocks:
                block.begin()  # type: ignore[operator]
            self.out.weight.copy_(0.05 * torch.eye(self.config.width))  # the first scores are nearly the prior's
            self.out.bias.zero_()

    # tensors

    def item(self, features: Tensor, attributes: Tensor, ids: Tensor | None = None) -> Tensor:
        """Item vectors (n, d) of content vectors (n, c), attributes (n, m) (-1 unknown) and id rows (n,)."""
        told = self._dropped(attributes + 1, self.config.attribute_dropout)
        x = self.attributes(self._dropped(told, self.config.bare, whole=True)).sum(1)
        if self.content is not None:
            x = x + self.content(features)
        if ids is not None:
            x = x + self.id_embedding(self._dropped(ids, self.config.id_dropout))
        return self.item_norm(x)

    def _dropped(self, codes: Tensor, share: float, whole: bool = False) -> Tensor:
        """In training, a share of the codes set to 0, each by itself or by whole rows."""
        shape = (len(codes), 1) if whole else codes.shape
        return codes * (torch.rand(shape, device=codes.device) >= share) if self.training and share else codes

    def forward(self, tokens: Tokens, last: Tensor | None = None) -> Tensor:
        """User vectors (b, 1 + t, d): after the preferences, then after each event. Padded positions mean nothing.

        last: int64 (b,), how many events each user has: then only the vectors after those, (b, 1, d).
        """
        preference, kind, gap = (x.clamp(min=0) for x in (tokens.preference, tokens.kind, tokens.gap))
        b, p = preference.shape
        said = self.attributes(preference + 1) * tokens.weight[..., None] + self.stated
        done = tokens.events * self.type_gate(kind) + self.type_shift(kind) + self.gap(gap)
        x = self.drop(torch.cat([said, self.context.expand(b, 1, -1), done], 1))
        known = torch.ones(b, 1, dtype=torch.bool, device=x.device)
        there = torch.cat([tokens.preference >= 0, known, tokens.kind >= 0], 1)
        place = torch.arange(there.shape[1], device=x.device)
        blind = ~(there[:, None, :] & ((place <= p) | (place <= place[:, None])))[:, None]
        hidden = torch.zeros(blind.shape, device=x.device).masked_fill(blind, -torch.inf)
        distance = torch.where(place > p, (place[:, None] - place + 1).clamp(min=0), 0)  # 0: of what is no event
        for number, block in enumerate(self.blocks, 1):
            x = block(x, hidden, distance, p + last if last is not None and number == len(self.blocks) else None)
        return self.out(self.user_norm(x if last is not None else x[:, p:]))

    # arrays in and out

    @property
    def device(self) -> torch.device:
        """Where the model is, and computes."""
        return self.prior_weight.device

    def item_vectors(self, table: Items) -> Floats:
        """Vectors float32 (n, d) of a whole table. Raises OutOfDate if its features are of another visual network."""
        self.check(table)
        ids = [self.ids.get(name, 0) for name in table.ids] if self.ids else None
        return self.vectors_of(table.features, table.attributes, ids)

    @torch.inference_mode()
    def vectors_of(self, features: Floats, attributes: Codes, ids: Sequence[int] | None = None) -> Floats:
        """Vectors float32 (n, d) of items outside a table: content vectors (n, c), attributes (n, m), -1 unknown."""
        self._still()
        rows = torch.tensor(ids, dtype=torch.long, device=self.device) if ids is not None else None
        told, known = torch.tensor(features, device=self.device), torch.tensor(attributes, device=self.device)
        return np.asarray(self.item(told, known, rows).cpu().numpy(), np.float32)

    def _still(self) -> None:
        """Evaluation, for those who read. To set what is set already would take longer than to read an item."""
        if self.training:
            self.eval()

    def log_popularity(self, popularity: NDArray[Any]) -> Floats:
        """Popularity (n,) as log of its ratio to the mean, drawn to 0 where events are few."""
        mean = popularity.mean() if len(popularity) else 0.0
        return np.log((popularity + PRIOR_COUNT) / (mean + PRIOR_COUNT)).astype(np.float32)

    def prior(self, table: Items) -> Floats:
        """What is added to u.v for every user: float32 (n,), 0 for an item of average popularity."""
        return self.log_popularity(table.popularity) * np.float32(self.prior_weight.item())

    def encode(
        self, profile: Profile | None, history: Sequence[HistoryEntry], table: Items, vectors: Floats | None = None
    ) -> Floats:
        """One user's vector, float32 (d,). history: oldest first, of which the last 50 are read. Nothing known: zeros.

        vectors (n, d): the table's `item_vectors`, where they are at hand: that is faster. Raises OutOfDate if the
        table's features are of another visual network than the model's.
        """
        return self.encode_many([(profile, history)], table, vectors)[0]

    @torch.inference_mode()
    def encode_many(
        self,
        users: Sequence[tuple[Profile | None, Sequence[HistoryEntry]]],
        table: Items,
        vectors: Floats | None = None,
        batch: int = 256,
    ) -> Floats:
        """Vectors float32 (n, d) of many users, as `encode` of each."""
        self.check(table)
        self._still()
        read = [self._encode(users[at : at + batch], table, vectors) for at in range(0, len(users), batch)]
        return np.concatenate(read) if read else np.zeros((0, self.config.width), np.float32)

    def _encode(
        self, users: Sequence[tuple[Profile | None, Sequence[HistoryEntry]]], table: Items, vectors: Floats | None
    ) -> NDArray[np.float32]:
        histories = [list(history[-LONGEST:]) for _, history in users]
        stated = [
            [p for p in (profile.preferences if profile is not None else ()) if p.weight != 0] for profile, _ in users
        ]
        preference = _pad([[statement_code(p.facet, p.value) for p in ps] for ps in stated], np.int64)
        weight = _pad([[p.weight for p in ps] for ps in stated], np.float32)
        entries = [entry for history in histories for entry in history]
        kind = np.array([TYPE_CODES[entry.type] for entry in entries], np.int64)
        at = np.array([entry.at.timestamp() for entry in entries], np.float64)
        starts = np.cumsum([0, *map(len, histories)])
        read = self._read(starts, kind, at, self._entries(entries, table, vectors), preference, weight)
        known = np.array([bool(h or s) for h, s in zip(histories, stated, strict=True)])
        return read * known[:, None].astype(np.float32)

    @torch.inference_mode()
    def encode_rows(self, starts: Codes, rows: Codes, kind: Codes, at: NDArray[np.float64], vectors: Floats) -> Floats:
        """Vectors float32 (b, d) of b users without preferences, whose events are given flat, oldest first.

        User i did rows[starts[i]:starts[i + 1]], rows of vectors (n, d); kind, at: (m,), type codes and seconds.
        """
        self._still()
        kept = np.minimum(np.diff(starts), LONGEST)
        begin = np.concatenate([[0], np.cumsum(kept)])
        last = np.repeat(starts[1:] - begin[1:], kept) + np.arange(begin[-1])
        stated, weight = np.zeros((len(kept), 0), np.int64), np.zeros((len(kept), 0), np.float32)
        read = self._read(begin, kind[last], at[last], vectors[rows[last]], stated, weight)
        return read * (kept > 0)[:, None].astype(np.float32)

    def _read(
        self, starts: Codes, kind: Codes, at: NDArray[np.float64], events: Floats, preference: Codes, weight: Floats
    ) -> Floats:
        """User vectors float32 (b, d) after the last of each user's events, of which there are 50 at most.

        starts (b + 1,); kind, at (m,) and events (m, d) flat; preference, weight (b, p) padded with -1.
        """
        counts = np.diff(starts)
        place = np.arange(counts.max(initial=0))
        there = place < counts[:, None]
        times = np.zeros(there.shape)
        times[there] = at
        padded = np.full(there.shape, _PAD, np.int64)
        padded[there] = kind
        vectors = np.zeros((*there.shape, self.config.width), np.float32)
        vectors[there] = events
        arrays = (preference, weight, padded, gap_buckets(times), vectors, counts)
        *tokens, last = (torch.from_numpy(array).to(self.device) for array in arrays)
        return np.asarray(self(Tokens(*tokens), last)[:, 0].cpu().numpy(), np.float32)

    def _entries(self, entries: Sequence[HistoryEntry], table: Items, vectors: Floats | None) -> Floats:
        """Item vectors (n, d) of history entries. vectors: of the table, where they are at hand."""
        rows = np.array([-1 if entry.item is None else entry.item for entry in entries], np.int64)
        real = rows >= 0
        if vectors is not None and real.all():
            return vectors[rows]
        features = np.zeros((len(entries), table.features.shape[1]), np.float32)
        attributes = np.full((len(entries), table.attributes.shape[1]), UNKNOWN, np.int64)
        features[real], attributes[real] = table.features[rows[real]], table.attributes[rows[real]]
        for at in np.flatnonzero(~real).tolist():
            features[at], attributes[at, 0] = entries[at].feature, entries[at].category  # the first facet's codes
        ids = [self.ids.get(table.ids[row], 0) if row >= 0 else 0 for row in rows] if self.ids else None
        return self.vectors_of(features, attributes, ids)

    def check(self, table: Items) -> None:
        """Raise OutOfDate if the items' content vectors are of another visual network than the model was trained on."""
        wanted, given = self.config.feature_version, table.feature_version
        if wanted and given and wanted != given:
            raise OutOfDate(
                f"taste model {self.version} reads content vectors of {wanted}, the catalogue's are of {given}: "
                "run `persona train taste`, or put back the visual network it was trained on"
            )

    # folders

    def without_ids(self) -> TasteModel:
        """The same model told by content and attributes alone, for any catalogue."""
        model = TasteModel(self.config)
        model.learn_from(self)
        return model.eval()

    @torch.no_grad()
    def learn_from(self, other: TasteModel) -> None:
        """Take the weights of a model of the same sizes, ids by name; an id that it does not know gets none."""
        ids = torch.zeros_like(self.id_embedding.weight)
        for name, row in self.ids.items():
            if name in other.ids:
                ids[row] = other.id_embedding.weight[other.ids[name]].to(ids.device)
        self.load_state_dict(other.state_dict() | {"id_embedding.weight": ids})

    @classmethod
    def load(cls, folder: Path) -> TasteModel:
        """Read a model folder; raises as `persona.modelfolder.read`. `version` is the folder's name and version."""
        stored = modelfolder.read(folder, KIND)
        config = dict(stored.config)
        ids = config.pop("ids")
        fusion = config.get("fusion", asdict(NEUTRAL))
        config["fusion"] = Fusion(tuple(fusion["weights"]), fusion["scale"])
        known = TasteConfig.__dataclass_fields__
        model = cls(TasteConfig(**{name: value for name, value in config.items() if name in known}), ids)
        modelfolder.fill(model, stored)
        model.version = stored.name
        return model.eval()

    def save(self, folder: Path, *, card: str, metrics: dict[str, Any]) -> None:
        """Write a model folder."""
        config = asdict(self.config) | {"ids": list(self.ids)}
        self.version = modelfolder.write(folder, KIND, config, self.state_dict(), card=card, metrics=metrics).name


def _pad(rows: Sequence[Sequence[float]], kind: type[np.generic]) -> NDArray[Any]:
    """Rows of differing lengths as one array (n, longest), filled up with -1 on the right."""
    padded = np.full((len(rows), max(map(len, rows), default=0)), _PAD, kind)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
