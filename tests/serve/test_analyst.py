"""The analysts' pages: who gets in, and for how long; queries, downloads and what is saved; what the board shows."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from PIL import Image
from werkzeug.test import TestResponse

from persona.recommend import Recommender
from persona.serve import analyst_desk, analyst_session
from persona.serve.access import FRESH
from persona.settings import Settings
from persona.store.records import Profile

from .conftest import Keyed

PAGES = ("/analyst", "/analyst/dictionary", "/analyst/queries", "/analyst/query", "/analyst/trust")
FEW = "SELECT user_id, source FROM dim_user ORDER BY user_id"


def token(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return found.group(1)


def log_in(client: FlaskClient, secret: str) -> TestResponse:
    return client.post("/analyst/login", data={"csrf": token(client, "/analyst/login"), "key": secret})


def posted(client: FlaskClient, path: str = "/analyst/query", **form: str) -> TestResponse:
    return client.post(path, data={"csrf": token(client, "/analyst/query"), **form})


def see(keyed: Any, count: int) -> None:
    """Store people who agreed to analytics, and one who did not."""
    for number in range(count):
        keyed.store.put_user(Profile(id=f"seen-{number:03}", consents={"analytics": True}))
    keyed.store.put_user(Profile(id="hidden", consents={"analytics": False}))


@pytest.fixture(scope="module")
def shop(furnished: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A shop in the mode that others are served in, for all tests that can share it."""
    home = tmp_path_factory.mktemp("desk") / "home"
    shutil.copytree(furnished.home, home)
    settings = furnished.model_copy(update={"home": home})
    opened = Recommender.open(settings)
    keyed = Keyed(settings, opened)
    see(keyed, 25)
    yield keyed
    opened.store.close()


@pytest.fixture
def analyst(shop: Keyed) -> FlaskClient:
    """A browser in which an analyst has logged in to the shared shop."""
    client = shop.client()
    assert log_in(client, shop.keys["analyst"][1]).location == "/analyst"
    return client


# Who gets in


def test_nobody_gets_in_without_an_analyst_s_key(keyed: Any) -> None:
    client = keyed.client()
    for path in PAGES:
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (303, "/analyst/login"), path
    for scope, (_, secret) in keyed.keys.items():
        if scope != "analyst":
            answer = log_in(client, secret)
            assert answer.status_code == 403
            assert "alert" in answer.text
            assert secret not in answer.text
    for wrong in ("", "x", keyed.keys["analyst"][1][:-1] + "~", keyed.keys["analyst"][0].id, "pk_" + "ü" * 50):
        assert log_in(keyed.client(), wrong).status_code in (403, 429)
    assert client.get("/analyst").status_code == 303
    shown = keyed.client("analyst")  # a key in a header is for programs: no page takes it for a login
    assert shown.get("/analyst").status_code == 303


def test_a_login_lasts_for_a_day_s_work_and_no_longer_than_the_key(shop: Keyed, analyst: FlaskClient) -> None:
    for path in PAGES:
        assert analyst.get(path).status_code == 200, path
    key, secret = shop.store.create_key("short", ["analyst"])
    log_in(analyst, secret)
    shop.store.revoke_key(key.id)
    time.sleep(FRESH + 0.1)
    assert analyst.get("/analyst").status_code == 303
    assert analyst.post("/analyst/query", data={"csrf": "any"}).status_code == 401
    _, secret = shop.store.create_key("guest", ["analyst"], datetime.now(UTC) + timedelta(milliseconds=400))
    assert log_in(analyst, secret).status_code == 303
    assert analyst.get("/analyst").status_code == 200
    time.sleep(0.4)
    assert analyst.get("/analyst").status_code == 303


def test_the_cookie_names_the_key_and_does_not_hold_it(shop: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = shop.keys["analyst"]
    client = shop.client()
    answer = log_in(client, secret)
    (cookie,) = (cookie for cookie in answer.headers.getlist("Set-Cookie") if cookie.startswith("persona-analyst="))
    assert {"HttpOnly", "SameSite=Strict", "Path=/analyst", "Max-Age=28800"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert secret.split("_")[2] not in cookie
    form = {"csrf": token(client, "/analyst/login"), "key": secret}
    secured = client.post("/analyst/login", data=form, headers={"X-Forwarded-Proto": "https"})
    assert any("Secure" in cookie for cookie in secured.headers.getlist("Set-Cookie"))
    value = cookie.split(";")[0].split("=", 1)[1]
    other_salt = URLSafeTimedSerializer(shop.app.config["SECRET_KEY"], salt="cookie-session").dumps(key.id)
    for forged in (value[:-2] + "AA", key.id, secret, other_salt, ""):
        browser = shop.client()
        browser.set_cookie("persona-analyst", forged, path="/analyst")
        assert browser.get("/analyst").status_code == 303, forged
    monkeypatch.setattr(analyst_session, "SECONDS", -1)
    assert client.get("/analyst").status_code == 303


def test_a_login_for_one_scope_opens_nothing_else(analyst: FlaskClient) -> None:
    assert analyst.get("/v1/users/demo-ana").status_code == 401
    assert analyst.get("/for/demo-ana").status_code == 404


def test_forms_of_other_sites_do_nothing(shop: Keyed, analyst: FlaskClient) -> None:
    for path in ("/analyst/query", "/analyst/queries/x/delete", "/analyst/logout", "/analyst/login"):
        for form in ({}, {"csrf": "guessed"}):
            assert analyst.post(path, data={"sql": FEW, **form}).status_code == 403, path
    good = token(analyst, "/analyst/query")
    answer = analyst.post("/analyst/query", data={"csrf": good, "sql": FEW}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert shop.store.audited()[0].action == "analyst.login"


def test_who_logs_out_is_out(shop: Keyed, analyst: FlaskClient) -> None:
    answer = posted(analyst, "/analyst/logout")
    assert (answer.status_code, answer.location) == (303, "/analyst/login")
    assert analyst.get("/analyst").status_code == 303


def test_keys_are_not_tried_for_long(keyed: Any) -> None:
    client = keyed.client()
    for _ in range(10):
        assert log_in(client, keyed.keys["read"][1]).status_code == 403
    answer = log_in(client, keyed.keys["read"][1])
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")


def test_in_development_mode_nobody_logs_in(client: FlaskClient) -> None:
    for path in PAGES:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "Log out" not in answer.text
    assert client.get("/analyst/login").location == "/analyst"
    assert client.get("/analyst", headers={"Host": "evil.example"}).status_code == 403


# Queries


def test_a_query_shows_its_first_rows_and_who_is_not_to_be_seen_is_not(
    analyst: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyst_desk, "SHOWN", 24)
    answer = posted(analyst, sql=FEW)
    assert answer.status_code == 200
    assert "The first 24 rows" in answer.text
    assert "seen-023" in answer.text
    assert "seen-024" not in answer.text
    assert "hidden" not in re.sub(r"<input[^>]*>", "", answer.text)
    one = posted(analyst, sql=f"{FEW} LIMIT 1")
    assert "One row" in one.text


def test_parameters_are_asked_for_and_never_part_of_the_sql(analyst: FlaskClient) -> None:
    sql = "SELECT user_id FROM dim_user WHERE user_id = :who AND events < :most"
    good = posted(analyst, **{"sql": sql, "p.who": "seen-001", "p.most": "5", "t.most": "int"})
    assert "One row" in good.text
    injected = posted(analyst, **{"sql": sql, "p.who": "' OR 1=1 --", "p.most": "5", "t.most": "int"})
    assert "No rows" in injected.text
    first = posted(analyst, sql=sql)  # the form has no fields for them yet
    assert first.status_code == 422
    assert 'name="p.who"' in first.text
    wrong = posted(analyst, **{"sql": sql, "p.who": "x", "p.most": "many", "t.most": "int"})
    assert wrong.status_code == 422
    assert 'id="trouble"' in wrong.text
    assert 'value="many"' in wrong.text  # nothing has to be typed again


WRONG = (
    "DELETE FROM users", "SELECT * FROM users", "SELECT * FROM api_keys", "PRAGMA query_only = 0",
    "ATTACH 'x.db' AS x", "SELECT 1; DELETE FROM events", "SELECT load_extension('x')", "", "SELECT nonsense FROM",
    "SELECT sql FROM sqlite_master", "INSERT INTO dim_user VALUES (1)", "\x00", "SELECT * FROM no_view",
    "WITH x AS (SELECT 1) UPDATE users SET source = 'x'", "SELECT 1 AS a, 2 AS a", "no-question",
)  # fmt: skip


def test_what_does_not_only_read_the_views_is_refused(analyst: FlaskClient, shop: Keyed) -> None:
    for sql in WRONG:
        for do in ("run", "csv", "parquet"):
            answer = posted(analyst, sql=sql, do=do)
            assert answer.status_code == 422, sql
            assert 'role="alert"' in answer.text
    assert shop.store.audited()[0].action == "analyst.login"


def test_a_query_that_runs_for_ever_is_stopped_and_keeps_nobody_waiting(
    analyst: FlaskClient, shop: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyst_desk, "SECONDS", 0.3)
    for_ever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    began = time.monotonic()
    answer = posted(analyst, sql=for_ever)
    assert answer.status_code == 422
    assert "0.3 s" in answer.text
    assert time.monotonic() - began < 5
    desk = shop.app.extensions["persona-desk"]
    for _ in range(analyst_desk.AT_ONCE):
        desk._free.acquire()
    assert posted(analyst, sql=FEW).status_code == 429
    assert shop.client("read").get("/v1/makeup/looks").status_code == 200
    for _ in range(analyst_desk.AT_ONCE):
        desk._free.release()
    assert posted(analyst, sql=FEW).status_code == 200


def test_the_whole_result_comes_as_a_file(analyst: FlaskClient) -> None:
    csv = posted(analyst, sql=FEW, do="csv")
    assert csv.mimetype == "text/csv"
    assert 'filename="query.csv"' in csv.headers["Content-Disposition"]
    table = pd.read_csv(io.BytesIO(csv.data))
    assert list(table["user_id"]) == [f"seen-{number:03}" for number in range(25)]
    parquet = pd.read_parquet(io.BytesIO(posted(analyst, sql=FEW, do="parquet").data))
    pd.testing.assert_frame_equal(parquet, table, check_dtype=False)
    nobody = posted(analyst, sql="SELECT user_id FROM dim_user WHERE user_id = 'x'", do="csv")
    assert nobody.text == "user_id\r\n"


def test_a_question_is_asked_as_it_stands(analyst: FlaskClient) -> None:
    from persona.analyze.questions import questions

    listed = analyst.get("/analyst/queries").text
    for name, question in questions().items():
        assert f"name={name}" in listed
        form = {f"p.{one.name}": "" if one.default is None else str(one.default) for one in question.parameters}
        answer = posted(analyst, name=name, sql="SELECT 'ours no more'", **form)
        assert answer.status_code == 200, (name, answer.text)
        assert "ours no more" not in answer.text


def test_queries_are_kept_for_all_analysts(analyst: FlaskClient, shop: Keyed) -> None:
    sql = "SELECT user_id FROM dim_user WHERE events >= :least"
    form = {"sql": sql, "p.least": "3", "t.least": "int", "title": "Who is <busy>?"}
    answer = posted(analyst, do="save", **{"as": "busy-ones"}, **form)
    assert answer.location == "/analyst/query?name=busy-ones"
    other = shop.client()
    log_in(other, shop.keys["analyst"][1])
    page = other.get(answer.location).text
    assert "Who is &lt;busy&gt;?" in page
    assert 'value="3"' in page
    assert "<option selected>int</option>" in page
    for name in ("", "../x", "a/b", "Busy", "x" * 65, ".hidden", "x.json", "ü"):
        assert posted(analyst, do="save", **{"as": name}, **form).status_code == 422, name
    assert [path.name for path in (shop.settings.home / "analysis" / "queries").iterdir()] == ["busy-ones.json"]
    assert posted(other, "/analyst/queries/busy-ones/delete").location == "/analyst/queries"
    assert other.get("/analyst/query?name=busy-ones").status_code == 404
    assert posted(other, "/analyst/queries/..%2f..%2fx/delete").status_code in (404, 422)


def test_the_audit_log_has_who_asked_and_not_about_whom(analyst: FlaskClient, shop: Keyed) -> None:
    sql = "SELECT count(*) AS n FROM dim_user WHERE user_id = :who OR user_id = 'demo-ben'"
    form = {"sql": sql, "p.who": "demo-ana"}
    posted(analyst, **form)
    posted(analyst, do="csv", **form)
    posted(analyst, do="save", **{"as": "q"}, **form)
    saved, download, asked = shop.store.audited()[:3]
    assert [entry.action for entry in (asked, download, saved)] == [
        "analyst.query", "analyst.download", "analyst.query.save",
    ]  # fmt: skip
    assert {entry.actor for entry in (asked, download, saved)} == {shop.keys["analyst"][0].id}
    assert (download.details["rows"], download.details["form"]) == (1, "csv")
    assert asked.details["sql"] == download.details["sql"]
    for entry in (asked, download, saved):
        assert "demo" not in entry.model_dump_json()


def test_data_cannot_act_in_a_page_or_a_spreadsheet(analyst: FlaskClient) -> None:
    sql = """SELECT '<script>alert(1)</script>' AS "<img src=x>", '=HYPERLINK("http://evil")' AS "=1+1", -5 AS n"""
    page = posted(analyst, sql=sql)
    assert "<script>alert" not in page.text
    assert "<img src=x>" not in page.text
    assert "script-src 'none'" in page.headers["Content-Security-Policy"]
    lines = posted(analyst, sql=sql, do="csv").text.splitlines()
    assert lines[0].split(",")[1] == "'=1+1"
    assert "\"'=HYPERLINK" in lines[1]
    assert lines[1].endswith(",-5")
    exact = pd.read_parquet(io.BytesIO(posted(analyst, sql=sql, do="parquet").data))
    assert exact["=1+1"][0] == '=HYPERLINK("http://evil")'


def test_values_are_shown_as_what_they_are(analyst: FlaskClient) -> None:
    sql = """SELECT 1234567 AS n, NULL AS none, 0.5 AS x, '2026-03-31 23:30:00.000000' AS made_at, '2026-03-01' AS month
        UNION ALL SELECT NULL, NULL, 1e300, NULL, NULL"""
    cells = re.findall(r"<td( class=\"number\")?>(.*?)</td>", posted(analyst, sql=sql).text)
    number = ' class="number"'
    assert cells[:5] == [
        (number, "1234567"),
        ("", ""),
        (number, "0.5"),
        ("", "2026-03-31 23:30:00"),
        ("", "2026-03-01"),
    ]
    assert [text for _, text in cells[5:]] == ["", "", f"{1e300:.6g}", "", ""]


# The board, the dictionary and the report


def test_the_board_s_pictures_are_shown_to_analysts_alone(analyst: FlaskClient, shop: Keyed) -> None:
    assert "persona analyze board" in analyst.get("/analyst").text
    folder = shop.settings.home / "analysis"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8), "green").save(folder / "map.png")
    (folder / "secret.png").write_bytes(b"not on the board")
    card = {"name": "plain dark", "file": "map.png", "alt": "A coat", "facts": {"Share": "12 %"}}
    board = {"made_at": "2026-01-01T00:00:00Z", "segments": [card]}
    board["pictures"] = [{"file": "map.png", "title": "Taste <map>", "alt": "A map of tastes"}]
    (folder / "board.json").write_text(json.dumps(board))
    page = analyst.get("/analyst").text
    assert "Taste &lt;map&gt;" in page
    assert 'alt="A map of tastes"' in page
    assert "12 %" in page
    assert "generated" in page
    assert analyst.get("/analyst/pictures/map.png").mimetype == "image/png"
    for name in ("secret.png", "board.json", "..%2fpersona.db", "queries"):
        assert analyst.get(f"/analyst/pictures/{name}").status_code == 404, name
    assert shop.client().get("/analyst/pictures/map.png").status_code == 303
    board["pictures"] = [{"file": "../../persona.db", "title": "x", "alt": "x"}]
    (folder / "board.json").write_text(json.dumps(board))
    assert "persona analyze board" in analyst.get("/analyst").text


def test_numbers_of_few_are_not_shown(keyed: Any) -> None:
    client = keyed.client()
    log_in(client, keyed.keys["analyst"][1])
    see(keyed, 19)
    assert "fewer than 20" in client.get("/analyst").text
    see(keyed, 23)
    keyed.app.extensions["persona-numbers"]._read_at = -1e9
    page = client.get("/analyst").text
    assert re.search(r"People who are seen</dt><dd>23<", page)
    consents = re.search(r'scope="row">analytics</th>(.*?)</tr>', page)
    assert consents
    assert re.findall(">([^<]+)</td>", consents.group(1)) == ["23", "fewer than 20", "fewer than 20"]


def test_the_dictionary_has_every_column(analyst: FlaskClient) -> None:
    from persona.analyze.dictionary import dictionary

    page = analyst.get("/analyst/dictionary").text
    for name, view in dictionary().items():
        assert f'id="{name}"' in page
        assert all(f"<code>{column}</code>" in page for column in view.columns)
        assert posted(analyst, sql=f"SELECT * FROM {name} LIMIT 5").status_code == 200


def test_the_trust_report_runs_nothing(analyst: FlaskClient, shop: Keyed) -> None:
    assert "persona report trust --out" in analyst.get("/analyst/trust").text
    report = shop.settings.home / "analysis" / "trust" / "trust.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("<h1>Trust</h1>")
    answer = analyst.get("/analyst/trust")
    assert answer.text == "<h1>Trust</h1>"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
