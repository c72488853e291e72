"""Analysis: how profiles were before, what was shown, tastes by month, items by day, and views for analysts to read."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.String(128).with_variant(sa.VARCHAR(128, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
WORD = sa.String(32)
COUNTS = ("views", "likes", "saves", "carts", "purchases", "dislikes", "hides")


def need(name: str, kind: Any, *more: Any, **options: Any) -> sa.Column[Any]:
    """A column that every row fills."""
    return sa.Column(name, kind, *more, nullable=False, **options)


def whose(**options: Any) -> sa.Column[Any]:
    """The user whose row it is, with whom it is erased."""
    return need("user_id", ID, sa.ForeignKey("users.id", ondelete="CASCADE"), **options)


def upgrade() -> None:
    """Make the tables and the views."""
    _note_in_users()
    _make_tables()
    _index_generations(sa.text("generation_id IS NOT NULL"))
    dialect = op.get_bind().dialect
    version = getattr(dialect, "server_version_info", None) or (0,)
    # with the rights of who reads: a role for analysts then sees the rows and columns that it is allowed
    options = " WITH (security_invoker = true)" if dialect.name == "postgresql" and version[0] >= 15 else ""
    for name, query in views(dialect.name).items():
        op.execute(sa.DDL(f"CREATE VIEW {name}{options} AS {query}".replace("%", "%%")))


def downgrade() -> None:
    """Drop them: the version before knows nothing of them."""
    dialect = op.get_bind().dialect.name
    for view in reversed(views(dialect)):
        op.execute(f"DROP VIEW {view}")
    if dialect == "postgresql":  # the analysts' role, where it was made, is told by the column that goes
        op.execute("DROP POLICY IF EXISTS persona_analyst ON users")
    tables = "analysis_marks", "stale_tastes", "recommendations", "item_days", "taste_months", "user_tastes"
    for table in (*tables, "user_versions"):
        op.drop_table(table)
    _index_generations(None)
    op.drop_index("ix_users_age_band_skin_tone_id", "users")
    op.drop_column("users", "analysed")
    op.drop_column("users", "valid_from")


def _note_in_users() -> None:
    """Since when a profile has been as it is, and whether analysts may see it."""
    op.add_column("users", sa.Column("valid_from", TIME))
    op.add_column("users", sa.Column("analysed", sa.Boolean))
    op.execute(
        """UPDATE users SET valid_from = updated_at, analysed = coalesce(age_band, '') <> 'under-18' AND EXISTS (
            SELECT 1 FROM consents WHERE user_id = users.id AND purpose = 'analytics' AND granted)"""
    )
    with op.batch_alter_table("users") as users:
        users.alter_column("valid_from", nullable=False, existing_type=TIME)
        users.alter_column("analysed", nullable=False, existing_type=sa.Boolean)
    seen: dict[str, Any] = {"postgresql_where": sa.text("analysed"), "sqlite_where": sa.text("analysed")}
    op.create_index("ix_users_age_band_skin_tone_id", "users", ["age_band", "skin_tone", "id"], **seen)


def _index_generations(which: Any) -> None:
    """Of the events on generations alone, which are few: an event on an item has one index less to enter."""
    op.drop_index("ix_events_generation_id", "events")
    op.create_index("ix_events_generation_id", "events", ["generation_id"], postgresql_where=which, sqlite_where=which)


def _make_tables() -> None:
    op.create_table(
        "user_versions",
        whose(primary_key=True),
        need("valid_from", TIME, primary_key=True),
        need("valid_to", TIME),
        sa.Column("skin_tone", sa.SmallInteger),
        *(sa.Column(name, WORD) for name in ("undertone", "face_shape", "body_shape", "age_band")),
        *(sa.Column(name, WORD) for name in ("size_top", "size_bottom")),
        sa.Column("size_shoe", sa.Double),
        need("stated", JSON),
    )
    op.create_table(
        "user_tastes",
        whose(primary_key=True),
        need("events", sa.Integer),
        need("first_at", TIME),
        need("last_at", TIME),
        *(sa.Column(f"top_{facet}", WORD) for facet in ("category", "colour", "pattern", "style")),
        need("vector", sa.LargeBinary),
    )
    op.create_index("ix_user_tastes_top_colour_user_id", "user_tastes", ["top_colour", "user_id"])
    op.create_table(
        "taste_months",
        whose(primary_key=True),
        need("month", sa.Date, primary_key=True),
        need("events", sa.Integer),
        need("weights", JSON),
    )
    op.create_table(
        "item_days",
        need("item_id", ID, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        need("day", sa.Date, primary_key=True),
        *(need(name, sa.Integer) for name in COUNTS),
    )
    op.create_table(
        "recommendations",
        need("id", sa.String(64), primary_key=True),
        whose(),
        need("at", TIME),
        need("arm", WORD),
        need("cold_start", WORD),
        need("taste_model", sa.String(128)),
        need("generator_model", sa.String(128)),
        need("shown", JSON),
    )
    op.create_index("ix_recommendations_user_id_at", "recommendations", ["user_id", "at"])
    op.create_index("ix_recommendations_at", "recommendations", ["at"])
    op.create_table("stale_tastes", whose(primary_key=True), need("since", sa.Date))
    op.create_table(
        "analysis_marks",
        sa.Column("name", WORD, primary_key=True),
        need("watermark", sa.BigInteger),
        need("refreshed_at", TIME),
    )


def views(dialect: str) -> dict[str, str]:
    """The query of each view. Only JSON and dates differ between the databases."""
    postgres = dialect == "postgresql"
    day = "(e.at AT TIME ZONE 'UTC')::date" if postgres else "date(e.at)"
    first = "date_trunc('month', e.at AT TIME ZONE 'UTC')::date" if postgres else "date(e.at, 'start of month')"
    traits = "age_band, {0}.skin_tone, CASE WHEN {0}.skin_tone <= 3 THEN 'light' WHEN {0}.skin_tone <= 6 THEN 'medium' "
    traits += "WHEN {0}.skin_tone <= 10 THEN 'deep' END AS skin_tone_band, {0}.undertone, {0}.body_shape"
    stated = (
        "coalesce((SELECT jsonb_object_agg(facet || '=' || value, weight) FROM preferences WHERE user_id = u.id), '{}')"
        if postgres
        else "(SELECT json_group_object(facet || '=' || value, weight) FROM preferences WHERE user_id = u.id)"
    )
    shown, of, place = (
        ("jsonb_array_elements(r.shown) AS s(thing)", "s.thing->>'{}'", "(s.thing->>'{}')::{}")
        if postgres
        else ("json_each(r.shown) AS s", "json_extract(s.value, '$.{}')", "json_extract(s.value, '$.{}')")
    )
    weights, facet, value, weight = (
        ("jsonb_each_text(m.weights) AS w(key, value)", "split_part(w.key, '=', 1)", "split_part(w.key, '=', 2)",
         "w.value::float8")
        if postgres
        else ("json_each(m.weights) AS w", "substr(w.key, 1, instr(w.key, '=') - 1)",
              "substr(w.key, instr(w.key, '=') + 1)", "w.value")
    )  # fmt: skip
    return {
        "dim_user": f"""
            SELECT u.id AS user_id, u.{traits.format("u")}, u.source,
                EXISTS (SELECT 1 FROM consents c WHERE c.user_id = u.id AND c.purpose = 'training' AND c.granted)
                    AS training, u.created_at, u.valid_from,
                coalesce(t.events, 0) AS events, t.first_at AS first_event_at, t.last_at AS last_event_at,
                CASE WHEN t.events >= 50 THEN 'high' WHEN t.events >= 10 THEN 'medium' WHEN t.events >= 1 THEN 'low'
                    ELSE 'none' END AS activity,
                t.top_category, t.top_colour, t.top_pattern, t.top_style, t.vector AS taste
            FROM users u LEFT JOIN user_tastes t ON t.user_id = u.id WHERE u.analysed""",
        "dim_user_history": f"""
            SELECT v.user_id, v.valid_from, v.valid_to, v.{traits.format("v")}, v.stated
            FROM user_versions v JOIN users u ON u.id = v.user_id WHERE u.analysed
            UNION ALL
            SELECT u.id, u.valid_from, NULL, u.{traits.format("u")}, {stated} FROM users u WHERE u.analysed""",
        "dim_item": """
            SELECT i.id AS item_id, i.domain, i.category, i.title, i.colour, i.pattern, i.style, i.lab_l, i.lab_a,
                i.lab_b, i.seasons, i.price, i.owner, i.licence, i.rights_source, i.consent, i.generated, i.active,
                i.created_at
            FROM items i WHERE i.domain = 'garment' OR i.owner IS NULL""",
        "fct_event": f"""
            SELECT e.id AS event_id, e.user_id, e.at, {day} AS day, {first} AS month, e.type, e.item_id,
                e.generation_id, CASE WHEN e.item_id IS NULL THEN 'generated' ELSE 'retrieved' END AS origin, e.rec_id
            FROM events e JOIN users u ON u.id = e.user_id WHERE u.analysed""",
        "fct_recommendation": f"""
            SELECT r.id AS rec_id, r.user_id, r.at, r.arm, r.cold_start, r.taste_model, r.generator_model,
                {place.format("rank", "int")} AS rank,
                CASE WHEN {of.format("item_id")} IS NULL THEN 'generated' ELSE 'retrieved' END AS origin,
                {of.format("item_id")} AS item_id, {of.format("generation_id")} AS generation_id,
                {of.format("category")} AS category, {place.format("score", "float8")} AS score
            FROM recommendations r JOIN users u ON u.id = r.user_id CROSS JOIN {shown} WHERE u.analysed""",
        "fct_generation": """
            SELECT g.id AS generation_id, g.user_id, g.model, g.category, g.created_at
            FROM generations g LEFT JOIN users u ON u.id = g.user_id WHERE g.user_id IS NULL OR u.analysed""",
        "fct_user_embedding": """
            SELECT c.user_id, c.model AS version, c.made_at AS as_of, c.watermark, c.vector
            FROM condition_vectors c JOIN users u ON u.id = c.user_id WHERE u.analysed""",
        "agg_user_taste_month": f"""
            SELECT m.user_id, m.month, {facet} AS facet, {value} AS value, {weight} AS weight, m.events
            FROM taste_months m JOIN users u ON u.id = m.user_id CROSS JOIN {weights} WHERE u.analysed""",
        "agg_item_day": f"""
            SELECT d.item_id, d.day, {", ".join(f"d.{name}" for name in COUNTS)}
            FROM item_days d JOIN items i ON i.id = d.item_id WHERE i.domain = 'garment' OR i.owner IS NULL""",
    }
