"""The gallery in a real browser (Debian's chromium), on the real server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from persona.recommend.provenance import read_label
from persona.style.prints import draw_print

from .conftest import file_of, needs_faces, portrait

sync_api = pytest.importorskip("playwright.sync_api", reason="no browser test: playwright is not installed")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
WATCH = """() => { window.sent = []; const send = window.fetch; window.fetch = (address, how) => {
  const photo = how.body.get("photo"); window.sent.push(photo ? photo.size : 0); return send(address, how); }; }"""
PHONE, DESKTOP = (360, 740), (1280, 900)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no browser test: there is no program `chromium` (Debian: apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def page(request: pytest.FixtureRequest, chromium: Any, shared_server: Any) -> Iterator[Any]:
    """The first page of the real server; at the end nothing may have been complained of, or fetched from elsewhere."""
    server = shared_server
    width, height = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": height}, base_url=server.address, reduced_motion="reduce"
    )
    page = context.new_page()
    complaints: list[str] = []

    def failed_request(failed: Any) -> None:
        if "ERR_ABORTED" not in str(failed.failure):  # cut off by the page that came next
            complaints.append(f"{failed.url} {failed.failure}")

    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", failed_request)
    page.on("request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(server.address) else None)
    page.goto("/")
    yield page
    context.close()
    assert complaints == []


def fits(page: Any) -> bool:
    """Whether nothing sticks out to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def picks(page: Any) -> list[str]:
    return list(page.eval_on_selector_all("[data-item]", "cards => cards.map(card => card.dataset.item)"))


def test_choose_like_and_see_what_changed(page: Any) -> None:
    assert fits(page)
    page.get_by_role("link", name="Ana").click()
    page.wait_for_url("**/for/demo-ana")
    assert page.get_by_role("heading", level=1).inner_text() == "Ana"
    before = picks(page)
    assert len(before) == 12
    assert fits(page)
    page.wait_for_function("[...document.images].every(i => i.loading == 'lazy' || i.complete && i.naturalWidth)")

    page.locator(f"[data-item='{before[0]}']").get_by_role("button", name="Like").click()
    page.wait_for_url("**/for/demo-ana#picks")
    after = picks(page)
    new = [item for item in after if item not in before]
    assert new
    assert before[0] not in after
    change = page.get_by_role("status")
    assert "You liked" in change.inner_text()
    assert f"{len(new)} of 12 picks" in change.inner_text()
    assert change.get_by_role("listitem").first.inner_text().strip()
    assert change.is_visible()
    badge = page.locator(f"[data-item='{new[0]}']").get_by_text("new since your like")
    assert badge.count() == 1
    assert page.locator(f"[data-item='{new[0]}'] .reasons li").first.inner_text()
    assert fits(page)


def test_make_a_profile_by_touch_and_by_keyboard(page: Any) -> None:
    green = page.get_by_role("group", name="green", exact=True)
    green.locator("label:visible").click()  # like
    assert page.get_by_role("radio", name="like green", exact=True).is_checked()
    red = page.get_by_role("group", name="red", exact=True)
    red.locator("label:visible").click()
    red.locator("label:visible").click()  # dislike
    assert page.get_by_role("radio", name="dislike red", exact=True).is_checked()
    page.get_by_role("radio", name="navy: no preference").focus()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("radio", name="like navy", exact=True).is_checked()
    page.get_by_label("Name").fill("Mia")
    page.get_by_role("button", name="Show my picks").click()
    page.wait_for_url("**/for/mia.*")
    assert page.get_by_role("heading", level=1).inner_text() == "Mia"
    assert page.get_by_role("radio", name="like navy", exact=True).is_checked()
    assert page.get_by_role("radio", name="dislike red", exact=True).is_checked()

    page.get_by_role("group", name="pants", exact=True).locator("label:visible").click()
    page.get_by_role("button", name="Update my picks").click()
    page.wait_for_url("**#picks")
    assert "You like pants." in page.get_by_role("status").inner_text()
    page.get_by_text("Erase this profile").click()
    page.get_by_role("button", name="Erase everything").click()
    page.wait_for_url(lambda url: url.endswith("/"))
    assert "was erased" in page.get_by_role("status").inner_text()


def test_every_control_has_a_name_and_the_documentation_fits(page: Any) -> None:
    for address in ("/", "/for/demo-ana", "/makeup", "/style", "/docs"):
        page.goto(address)
        assert fits(page)
        nameless = page.evaluate(
            "[...document.querySelectorAll('a, button, input:not([type=hidden]), select')].filter(e =>"
            " !(e.ariaLabel || e.innerText || (e.labels && e.labels.length && e.labels[0].textContent))).length"
        )
        assert nameless == 0
        small = page.eval_on_selector_all(
            "button, .chip label", "all => all.filter(e => e.offsetWidth && e.offsetHeight < 32).map(e => e.innerText)"
        )
        assert small == []


def shown(page: Any) -> str:
    """The address of the made-up picture."""
    return str(page.locator(".compare > img").get_attribute("src"))


def changes_from(page: Any, before: str) -> str:
    """The address of the picture that takes its place."""
    for _ in range(200):
        if (now := shown(page)) != before:
            return now
        page.wait_for_timeout(100)
    raise AssertionError("the picture stays as it was")


def test_a_look_on_a_drawn_face_and_advice(page: Any) -> None:
    page.goto("/makeup")
    assert fits(page)
    bare = shown(page)
    page.get_by_text("Classic red lip", exact=True).click()
    red = changes_from(page, bare)
    assert page.locator(".worn h2").inner_text() == "Classic red lip"
    page.get_by_text("Part by part").click()
    page.get_by_label("lips", exact=True).fill("0")
    without_lips = changes_from(page, red)
    wipe = page.get_by_label("Before and after", exact=True).last
    wipe.fill("80")
    assert page.locator(".before").evaluate("e => e.style.width") == "80%"
    page.get_by_label("Monk tone 9").check(force=True)
    changes_from(page, without_lips)
    page.get_by_label("Occasion").select_option("evening")
    page.get_by_role("button", name="What suits me?").click()
    page.locator(".scheme").first.wait_for()
    assert page.locator(".scheme").count() == 3
    assert page.locator(".scheme dd").first.inner_text()
    before = shown(page)
    page.locator(".scheme").nth(1).get_by_role("button", name="Put it on").click()
    changes_from(page, before)
    assert page.locator(".worn h2").inner_text() == page.locator(".scheme h3").nth(1).inner_text()
    assert fits(page)


@needs_faces
def test_a_look_on_a_photo_which_leaves_the_browser_with_consent_only(page: Any) -> None:
    page.goto("/makeup")
    drawn = shown(page)
    page.evaluate(WATCH)
    me = {"name": "me.png", "mimeType": "image/png", "buffer": file_of(portrait(side=480))}
    page.set_input_files("#photo", me)
    page.wait_for_timeout(1500)
    assert page.evaluate("sent") == [0]
    page.get_by_label("The photo is mine").check()
    mine = changes_from(page, drawn)
    assert page.get_by_text("Made up with AI by persona").is_visible()
    assert page.evaluate("sent")[-1] > 100_000
    page.get_by_text("Fuchsia pop", exact=True).click()
    changes_from(page, mine)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the photo").click()
    content = download.value.path().read_bytes()
    assert read_label(content) is not None
    assert fits(page)


@needs_faces
def test_makeup_without_javascript(chromium: Any, shared_server: Any) -> None:
    context = chromium.new_context(java_script_enabled=False, base_url=shared_server.address)
    page = context.new_page()
    page.goto("/makeup?tone=8")
    drawn = shown(page)
    page.get_by_text("Classic red lip", exact=True).click()
    page.get_by_role("button", name="Put it on").click()
    assert shown(page) != drawn
    page.set_input_files("#photo", {"name": "me.png", "mimeType": "image/png", "buffer": file_of(portrait())})
    page.get_by_role("button", name="Put it on").click()
    assert "tick the box" in page.get_by_role("alert").inner_text()
    page.set_input_files("#photo", {"name": "me.png", "mimeType": "image/png", "buffer": file_of(portrait())})
    page.get_by_label("The photo is mine").check()
    page.get_by_role("button", name="Put it on").click()
    assert page.get_by_text("Made up with AI by persona").is_visible()
    assert page.get_by_label("Monk tone 8").is_checked()
    context.close()


def styled(page: Any, before: str = "") -> str:
    """The address of the garment in the style, once it is another one than before."""
    for _ in range(200):
        found = page.locator(".styled img")
        if found.count() and (now := str(found.get_attribute("src"))) != before:
            return now
        page.wait_for_timeout(100)
    raise AssertionError("the picture stays as it was")


def test_a_garment_in_a_style(page: Any) -> None:
    page.goto("/style")
    assert fits(page)
    first = styled(page)
    page.locator(".garments .option").nth(3).click()
    second = styled(page, first)
    page.get_by_label("Strength").fill("0.4")
    third = styled(page, second)
    page.get_by_label("keep its colours").check()
    styled(page, third)
    assert page.get_by_text("Styled with AI by persona").is_visible()
    page.evaluate(WATCH)
    print_ = {"name": "print.png", "mimeType": "image/png", "buffer": file_of(draw_print("dots", 640, 3))}
    page.set_input_files("#reference", print_)
    page.wait_for_timeout(1000)
    before = styled(page)
    page.get_by_label("It may be used, and whoever is on it agreed to this use.").check()
    styled(page, before)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the picture").click()
    assert read_label(download.value.path().read_bytes()) is not None
    assert fits(page)


def test_style_without_javascript(chromium: Any, shared_server: Any) -> None:
    context = chromium.new_context(java_script_enabled=False, base_url=shared_server.address)
    page = context.new_page()
    page.goto("/style")
    first = styled(page)
    page.locator(".references .option").nth(2).click()
    page.get_by_role("button", name="Put it on").click()
    assert styled(page) != first
    print_ = {"name": "print.png", "mimeType": "image/png", "buffer": file_of(draw_print("dots", 96, 3))}
    page.set_input_files("#reference", print_)
    page.get_by_role("button", name="Put it on").click()
    assert "The reference" in page.get_by_role("alert").inner_text()
    context.close()


def test_an_analyst_asks_in_sql(page: Any) -> None:
    page.goto("/analyst")
    assert fits(page)
    page.get_by_role("link", name="Queries").click()
    page.get_by_role("link", name="Write your own").click()
    page.get_by_label("SQL").fill("SELECT category, count(*) AS garments FROM dim_item WHERE active GROUP BY category")
    page.get_by_role("button", name="Run").click()
    table = page.get_by_role("table")
    assert table.get_by_role("columnheader").all_inner_texts() == ["category", "garments"]
    assert table.get_by_role("cell", name="dress", exact=True).count() == 1
    assert page.evaluate("document.querySelector('.scroll').getBoundingClientRect().top") < page.viewport_size["height"]
    assert fits(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "query.csv"
    page.get_by_role("link", name="Dictionary").click()
    assert page.get_by_role("heading", name="agg_item_day").count() == 1
    assert fits(page)
