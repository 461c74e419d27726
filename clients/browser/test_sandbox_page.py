"""The sandbox's page, as people use it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from harness import sandbox as demo
from harness.browser import Browser
from harness.portal import Portal, crm_parameters
from harness.process import REPOSITORY
from harness.sandbox import EIGHT_DAYS, Sandbox

MESSAGE = "#conversation .message"


@pytest.fixture
def portal(sandbox: Sandbox) -> Portal:
    sandbox.control("DELETE", "limits")
    return Portal(sandbox)


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[Browser]:
    """The page of a portal as new."""
    browser.open(f"{portal.sandbox.url}/sandbox/")
    live(browser)
    yield browser


def live(page: Browser) -> None:
    page.until("the page is live", lambda: page.texts("#connection") == ["Live"] and page.texts("#portal option"))


def shown(page: Browser, count: int = 1) -> list[str]:
    """The texts of the open conversation, when there are so many."""
    page.until(f"{count} messages", lambda: len(page.all(f"{MESSAGE} .text")) == count)
    return page.texts(f"{MESSAGE} .text")


def html(page: Browser, selector: str) -> str:
    return page.run("return document.querySelector(arguments[0]).innerHTML", selector)


def test_it_asks_nothing_of_other_machines(page: Browser, portal: Portal) -> None:
    portal.write({"id": "m", "text": "[IMG]https://example.com/i.png [/IMG] [ICON=https://example.com/i.png]"})
    shown(page)
    asked = page.requested()
    assert len(asked) >= 2
    assert [url for url in asked if not url.startswith((portal.sandbox.url, "data:", "about:"))] == []
    # Nothing of what the browser asks for reaches the portal: a page that is open uses up no limit.
    assert len(portal.sandbox.entries()) == 1


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("[B]bold[/B] [i]it[/i] [U]u[/U] [S]s[/S]", "<strong>bold</strong> <em>it</em> <u>u</u> <s>s</s>"),
        ("[B][I]both[/B][/I]", "<strong>[I]both</strong>[/I]"),
        ("one[BR]two", "one<br>two"),
        ("[B]open", "[B]open"),
        ("[SIZE=20]large[/SIZE]", '<span style="font-size: 20px;">large</span>'),
        ("[SIZE=99]x[/SIZE]", "[SIZE=99]x[/SIZE]"),
        ("[COLOR=#a00]red[/COLOR]", '<span class="own-colour own-dark" style="color: rgb(170, 0, 0);">red</span>'),
        ("[COLOR=red;x]no[/COLOR]", "[COLOR=red;x]no[/COLOR]"),
        ("[USER=5]Ada[/USER]", '<span class="mention" title="User 5">Ada</span>'),
        ("[CODE][B]raw[/B][/CODE]", '<code class="block" dir="ltr">[B]raw[/B]</code>'),
        ("[PUT=/help]Help[/PUT]", '<span class="action" title="Writes into the field: /help">Help</span>'),
        ("[TIMESTAMP=0 format=SHORT]", '<time title="[TIMESTAMP=0 format=SHORT]">1970-01-01 03:00:00 UTC+3</time>'),
        ("a\n>>b\n>>c\nd", "<div>a</div><blockquote>b\nc</blockquote><div>d</div>"),
        ("------\nAda wrote\n------\nyes", "<blockquote>Ada wrote</blockquote><div>yes</div>"),
        ("[unknown]x[/unknown] [1] []", "[unknown]x[/unknown] [1] []"),
    ],
)
def test_bb_codes_are_shown_as_the_portal_shows_them(page: Browser, portal: Portal, text: str, markup: str) -> None:
    portal.write({"id": "m", "text": text})
    shown(page)
    assert html(page, f"{MESSAGE} .text") == markup


def test_links_go_to_the_web_and_tell_it_nothing(page: Browser, portal: Portal) -> None:
    portal.write({"id": "m", "text": "[URL=https://example.com/a?b=1]there[/URL] [URL]http://example.com/[/URL]"})
    shown(page)
    links = page.all(f"{MESSAGE} .text a")
    assert [link.get_attribute("href") for link in links] == ["https://example.com/a?b=1", "http://example.com/"]
    assert {link.get_attribute("rel") for link in links} == {"noopener noreferrer nofollow"}


HOSTILE = [
    "<script>document.title='hit'</script>",
    "<img src=x onerror=\"document.title='hit'\">",
    "<svg onload=\"document.title='hit'\"></svg>",
    "[url=javascript:document.title='hit']press[/url]",
    "[URL]javascript:alert(1)[/URL]",
    "[url=\u0001javascript:alert(1)]press[/url]",
    "[url=data:text/html,<script>alert(1)</script>]press[/url]",
    "[img]javascript:alert(1) [/img]",
    "[color=#fff;background:url(https://example.com)]x[/color]",
    "[size=20px;position:fixed]x[/size]",
    "[constructor]x[/constructor] [__proto__]y[/__proto__] [b=__proto__]z[/b]",
    "[icon=https://example.com/\"onerror=alert(1) title=\"><script>]",
    "</style></script></textarea><base href=https://example.com/>",
    "{{7*7}} ${7*7} %s &lt;b&gt; &amp;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_texts(page: Browser, portal: Portal, text: str) -> None:
    """In a message, a name, a file, an answer and the name of a method."""
    user = {"id": text, "name": text, "last_name": text}
    portal.write({"id": text, "text": text, "files": [{"name": text, "url": text}]}, user=user)
    portal.network(text, ATTACH=[{"MESSAGE": text}, {"LINK": {"LINK": "/x", "NAME": text, "DESC": text}}, {"GRID": [{"DISPLAY": "ROW", "NAME": text, "VALUE": text}]}])
    portal.call("batch", {"cmd": {text: f"{text}?x={text}"}})
    page.until("three requests", lambda: len(page.all("#requests details")) == 3)
    page.until("two chats", lambda: len(page.all("#chats button")) == 2)
    page.run("document.querySelectorAll('#requests details').forEach((d) => (d.open = true))")
    page.until("their details", lambda: len(page.all("#requests pre")) >= 6)
    for chat in page.all("#chats button"):
        chat.click()
        page.until("the message", lambda: len(page.all(MESSAGE)) == 1)
        found = page.run(
            """return {
              made: [...document.querySelectorAll("main script, main img, main svg, main iframe, main style, main base, main textarea")].length,
              handlers: [...document.querySelectorAll("main *")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length,
              links: [...document.querySelectorAll("main a")].map((a) => a.protocol).filter((p) => !["http:", "https:"].includes(p)),
              title: document.title,
            }"""
        )
        assert found == {"made": 0, "handlers": 0, "links": [], "title": "Sandbox: a simulated Bitrix24 portal"}


def test_marks_of_direction_are_seen_and_turn_nothing_around(page: Browser, portal: Portal) -> None:
    portal.write({"id": "m", "text": "pay \u202e001\u202c € to \u2066x\u200b"})
    [text] = shown(page)
    assert text == "pay U+202E001U+202C € to U+2066xU+200B"
    assert len(page.all(f"{MESSAGE} .text .mark")) == 4
    # Arabic and Hebrew are written from the right; only their own message is.
    portal.write({"id": "n", "text": "שלום"})
    shown(page, 2)
    directions = page.run("return [...document.querySelectorAll(arguments[0])].map((e) => getComputedStyle(e).direction)", f"{MESSAGE} .text")
    assert directions == ["ltr", "rtl"]


@pytest.mark.parametrize("text", ["x" * 10_000, "word " * 2_000, "[b]" * 3_333, "[url=" * 2_000, "я́" * 5_000, "\n" * 2_000 + "x"])
def test_long_texts_are_folded_and_stay_within_their_message(page: Browser, portal: Portal, text: str) -> None:
    portal.write({"id": "m", "text": text})
    [found] = shown(page)
    assert found == text
    folded, wide = page.run(
        "const t = document.querySelector(arguments[0]); return [t.clientHeight, document.documentElement.scrollWidth > innerWidth || document.querySelector('#conversation').scrollWidth > document.querySelector('#conversation').clientWidth]",
        f"{MESSAGE} .text",
    )
    assert folded <= 200 and not wide
    unfold = page.one(f"{MESSAGE} button[aria-expanded]")
    assert "character" in unfold.text
    unfold.click()
    assert unfold.get_attribute("aria-expanded") == "true"
    assert page.run("return document.querySelector(arguments[0]).clientHeight", f"{MESSAGE} .text") > 200


def test_attachments_keyboards_and_pictures_are_shown_as_boxes(page: Browser, portal: Portal) -> None:
    portal.network(
        "Order",
        ATTACH={
            "COLOR_TOKEN": "primary",
            "BLOCKS": [
                {"USER": {"NAME": "Ivan", "LINK": "https://example.com/u"}},
                {"LINK": {"NAME": "Order 4711", "DESC": "[B]paid[/B]", "LINK": "https://example.com/4711"}},
                {"GRID": [{"DISPLAY": "ROW", "NAME": "Sum", "VALUE": "[B]10 €[/B]"}]},
                {"IMAGE": [{"NAME": "parcel.jpg", "LINK": "https://example.com/parcel.jpg"}]},
                {"FILE": [{"NAME": "bill.pdf", "LINK": "https://example.com/bill.pdf", "SIZE": 20480}]},
                {"DELIMITER": {"SIZE": 200, "COLOR": "#c6c6c6"}},
                {"MESSAGE": "[I]thanks[/I]"},
            ],
        },
        KEYBOARD={
            "BUTTONS": [
                {"TEXT": "Track", "LINK": "https://example.com/t", "BG_COLOR_TOKEN": "primary", "DISPLAY": "LINE"},
                {"TEXT": "Help", "LINK": "https://example.com/h", "DISPLAY": "LINE"},
                {"TYPE": "NEWLINE"},
                {"TEXT": "Cancel", "LINK": "/cancel", "DISABLED": "Y"},
            ]
        },
    )
    shown(page)
    attach = page.one(".attach")
    assert [row.text.split() for row in attach.find_elements(By.CSS_SELECTOR, ".grid div")] == [["Sum", "10", "€"]]
    assert "20.0 KB" in attach.text and "thanks" in attach.text and "Ivan" in attach.text
    assert page.texts(".attach .picture bdi") == ["parcel.jpg"]
    assert page.texts(".keyboard .row") == ["TrackHelp", "Cancel"]
    assert page.all(".keyboard [aria-disabled=true]")[0].get_attribute("href") is None
    portal.write({"id": "m", "text": "", "files": [{"name": "a.png", "url": "https://example.com/a.png"}, {"name": "b.zip", "url": "https://example.com/b.zip"}]})
    page.until("two chats", lambda: len(page.all("#chats button")) == 2)
    page.all("#chats button")[0].click()
    page.until("its file", lambda: page.texts(f"{MESSAGE} .file a") == ["b.zip"])
    assert page.texts(f"{MESSAGE} .picture bdi") == ["a.png"]
    assert page.all("main img") == []


def test_requests_are_shown_with_their_answers_and_no_token(page: Browser, portal: Portal) -> None:
    rule = {"message_id": "m2", "error": "Not all the required data was provided"}
    portal.sandbox.control("POST", "message-rules", rule)
    portal.write({"id": "m1", "text": "one"}, {"id": "m2", "text": "two"})
    portal.crm("x", chat=7)
    one = "imopenlines.crm.message.add?CRM_ENTITY_TYPE=lead&CRM_ENTITY=1195&USER_ID=27&CHAT_ID=1341&MESSAGE=x"
    portal.call("batch", {"cmd": {"a": one, "b": f"profile?auth={demo.ACCESS_TOKEN}", "c": "nothing"}})
    portal.sandbox.fault("close_before")
    portal.crm("lost")
    page.until("four requests", lambda: page.texts("#requests .outcome") == ["closed", "200, 1 refused", "400", "200, 1 refused"])
    page.run("document.querySelectorAll('#requests details').forEach((d) => (d.open = true))")
    page.until("their details", lambda: len(page.texts("#requests pre")) >= 7)
    text = page.run("return document.body.textContent")
    assert page.texts("#requests .error") == ["CHAT_NOT_IN_CRM"]
    assert "Not all the required data was provided" in text
    assert "The connection was closed without an answer." in text
    for secret in (demo.WEBHOOK_SECRET, demo.ACCESS_TOKEN):
        assert secret not in page.run("return document.documentElement.outerHTML")
    assert f"/rest/1/{demo.WEBHOOK_SECRET[:4]}…/batch" in text
    Select(page.one("#filter")).select_by_value("batch")
    assert len([row for row in page.all("#requests details") if row.is_displayed()]) == 1


def test_a_message_leads_to_its_request(page: Browser, portal: Portal) -> None:
    portal.crm("first")
    portal.crm("second")
    shown(page, 2)
    page.all(f"{MESSAGE} header button")[0].click()
    page.until("the first request is open", lambda: page.run("return document.querySelector('#requests details[open]')?.dataset.sequence") is not None)
    assert '"MESSAGE": "first"' in page.one("#requests details[open] pre[aria-label^=Body]").text


def test_faults_are_switched_on_and_off(page: Browser, portal: Portal) -> None:
    form = page.one("#fault")
    Select(form.find_element(By.NAME, "fault")).select_by_value("html_before")
    Select(form.find_element(By.NAME, "schedule")).select_by_value("always")
    form.find_element(By.CSS_SELECTOR, "button").click()
    page.until("the fault is listed", lambda: page.texts("#faults strong") == ["html_before"])
    assert portal.crm("x")[0] == 502
    page.one("#faults li button").click()
    page.until("it is gone", lambda: page.texts("#faults strong") == [])
    assert portal.crm("x")[0] == 200
    Select(form.find_element(By.NAME, "fault")).select_by_value("refuse")
    code = form.find_element(By.NAME, "code")
    code.clear()
    code.send_keys("NONSENSE", Keys.ENTER)
    page.until("the problem is told", lambda: page.texts("#fault .told.problem"))
    assert page.texts("#fault .told.problem")[0].startswith("code ")
    assert portal.sandbox.control("GET", "faults")["faults"] == []
    [refused] = page.messages()
    assert "400 (Bad Request)" in refused


def test_limits_are_set_and_seen_to_fill(page: Browser, portal: Portal) -> None:
    form = page.one("#limits")
    Select(form.find_element(By.NAME, "intensity")).select_by_value("own")
    for name, value in (("burst", "2"), ("drain_per_second", "0.001")):
        field = form.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)
    form.find_element(By.CSS_SELECTOR, "button").click()
    page.until("the limit is in force", lambda: page.texts("#buckets strong") == ["0.0 of 2"])
    assert [portal.crm("x")[0] for _ in range(3)] == [200, 200, 503]
    page.until("the bucket is full", lambda: page.texts("#buckets strong") == ["2.0 of 2"])
    assert "full" in page.texts("#buckets .note")[0]
    page.until("the refusal is shown", lambda: page.texts("#requests .error") == ["QUERY_LIMIT_EXCEEDED"])
    assert page.one("#buckets [role=meter]").get_attribute("aria-valuenow") == "2.0"


def test_the_clock_moves_and_the_week_passes(page: Browser, portal: Portal) -> None:
    assert [portal.network("x")[0] for _ in range(2)] == [200, 400]
    page.until("the user had a message", lambda: page.texts("#weekly td:first-child") == [str(demo.OUTSIDER)])
    before = page.one("#clock").text
    Select(page.one("#advance select")).select_by_visible_text("a week")
    page.one("#advance button").click()
    page.until("the clock moved", lambda: page.texts("#advance .told") == ["Moved."])
    page.until("it is shown", lambda: page.one("#clock").text[:10] != before[:10])
    assert portal.network("x")[0] == 200


def test_switches_are_set(page: Browser, portal: Portal) -> None:
    Select(page.one("#switch select")).select_by_value("error_dialect")
    value = page.one("#switch input")
    assert value.get_attribute("value") == '"current"'
    value.clear()
    value.send_keys('"old"', Keys.ENTER)
    page.until("it is in force", lambda: page.texts("#switch .told") == ["In force."])
    assert portal.sandbox.control("GET", "switches")["error_dialect"] == "old"


def test_clearing_the_record_empties_the_page(page: Browser, portal: Portal) -> None:
    portal.crm("x")
    shown(page)
    page.one("#clear").click()
    page.until("nothing is left", lambda: page.all("#requests details") == [] and page.all(MESSAGE) == [])
    assert portal.sandbox.entries() == []


def test_many_requests_are_counted_and_the_page_stays_small(page: Browser, portal: Portal) -> None:
    one = "imopenlines.crm.message.add?" + "&".join(f"{name}={value}" for name, value in crm_parameters("x").items())
    for _ in range(12):
        portal.call("batch", {"cmd": {f"c{at}": one for at in range(50)}})
    # The page gets the newest 200 requests only: it has to see these before the others come.
    page.until("their messages", lambda: page.all(MESSAGE))
    for _ in range(250):
        portal.call("profile", {})
    page.until("the newest request", lambda: page.texts("#requests .sequence")[0:1] == [str(portal.sandbox.entries()[-1]["sequence"])])
    assert len(page.all("#requests details")) == 200
    assert 0 < len(page.all(MESSAGE)) <= 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it_and_reach_every_control(browser: Browser, portal: Portal, scheme: str) -> None:
    play(portal)
    browser.open(f"{portal.sandbox.url}/sandbox/", scheme)
    live(browser)
    browser.until("the chats", lambda: len(browser.all("#chats button")) == 3)
    browser.run("document.querySelectorAll('#requests details').forEach((d) => (d.open = true))")
    assert browser.low_contrasts() == []
    assert browser.without_name() == []
    assert browser.run("return document.documentElement.lang") == "en"
    assert len(browser.all("h1")) == 1 and len(browser.all("main")) == 1


def test_it_is_used_with_the_keyboard_alone(page: Browser, portal: Portal) -> None:
    portal.crm("for the lead")
    portal.write({"id": "m", "text": "for the line"})
    page.until("two chats", lambda: len(page.all("#chats button")) == 2)
    body = page.one("body")
    body.send_keys(Keys.TAB)
    assert page.run("return document.activeElement.className") == "skip"
    [wanted] = page.texts("#chats [aria-current=false] .title")
    for _ in range(30):
        if page.run("return document.activeElement.querySelector('.title')?.textContent") == wanted:
            break
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.until("the other chat", lambda: page.texts("#chats [aria-current=true] .title") == [wanted])
    assert page.run("return document.activeElement.id") == "conversation"


@pytest.mark.parametrize("width", [390, 800])
def test_it_fits_small_windows(browser: Browser, portal: Portal, width: int) -> None:
    play(portal)
    browser.open(f"{portal.sandbox.url}/sandbox/", width=width)
    live(browser)
    browser.until("the chats", lambda: len(browser.all("#chats button")) == 3)
    assert browser.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_of_the_documentation_can_be_taken(browser: Browser, portal: Portal, tmp_path: Path, scheme: str) -> None:
    """With UPDATE_PICTURES=1 it replaces that of docs/sandbox.md."""
    name = f"sandbox-{scheme}.png"
    kept = REPOSITORY / "docs/pictures" / name
    # As many as come after the clock moves: the next one is refused.
    portal.sandbox.control("POST", "limits", {"intensity": {"burst": 7, "drain_per_second": 0.01}})
    play(portal)
    while portal.crm("Is there still room?")[0] == 200:
        pass
    browser.open(f"{portal.sandbox.url}/sandbox/", scheme, width=1200, height=860)
    live(browser)
    browser.until("the chats", lambda: len(browser.all("#chats button")) == 3)
    [chat] = [button for button in browser.all("#chats button") if "User" in button.text]
    chat.click()
    browser.until("the message with buttons", lambda: browser.all(".keyboard"))
    taken = kept if os.environ.get("UPDATE_PICTURES") else tmp_path / name
    browser.picture(taken)
    for picture in (taken, kept):
        assert picture.read_bytes().startswith(b"\x89PNG") and 20_000 < picture.stat().st_size <= 200 * 1024, picture


def play(portal: Portal) -> None:
    """A conversation with everything: markup, files, attachment, keyboard, partial failure, batch, limit, faults."""
    portal.sandbox.control("POST", "message-rules", {"message_id": "m4", "error": "Not all the required data was provided"})
    portal.crm("Your order has left our [B]warehouse[/B].")
    portal.network("Thank you for your order [B]4711[/B], Ada!\n>>Two lamps, one table\nWe write again when it leaves. [URL=https://example.com/orders/4711]Your order[/URL]")
    portal.sandbox.control("POST", "clock", {"advance_seconds": EIGHT_DAYS})
    portal.network(
        "[B]Your order is on its way[/B]\nThe parcel has left Potsdam and arrives on [COLOR=#0b66c3]Tuesday[/COLOR].",
        ATTACH={
            "COLOR_TOKEN": "primary",
            "BLOCKS": [
                {"LINK": {"NAME": "Order 4711", "DESC": "Two lamps, one table", "LINK": "https://example.com/orders/4711"}},
                {"GRID": [{"DISPLAY": "ROW", "NAME": "Paid", "VALUE": "[B]249 €[/B]"}, {"DISPLAY": "ROW", "NAME": "Weight", "VALUE": "14 kg"}]},
                {"IMAGE": [{"NAME": "parcel.jpg", "LINK": "https://example.com/parcel.jpg"}]},
            ],
        },
        KEYBOARD=[
            {"TEXT": "Track the parcel", "LINK": "https://example.com/track", "BG_COLOR_TOKEN": "primary", "DISPLAY": "LINE"},
            {"TEXT": "Another day", "LINK": "https://example.com/day", "DISPLAY": "LINE"},
        ],
    )
    one = "imopenlines.crm.message.add?CRM_ENTITY_TYPE=lead&CRM_ENTITY=1195&USER_ID=27&CHAT_ID=1341&MESSAGE="
    portal.call("batch", {"cmd": {"c1": f"{one}Delivered%20on%20Tuesday.", "c2": f"{one}Please%20rate%20us.", "c3": one}})
    portal.sandbox.fault("html_after", status=502)
    portal.crm("The answer to this one is lost, but it arrived.")
    portal.write({"id": "m1", "text": "Good afternoon! Is my order [B]4711[/B] on its way?"})
    portal.write({"id": "m2", "text": "This is how the parcel looked:", "files": [{"name": "parcel.jpg", "url": "https://example.com/parcel.jpg"}, {"name": "bill.pdf", "url": "https://example.com/bill.pdf"}]})
    portal.write({"id": "m3", "text": ">>The lamp is grey\nI had ordered [COLOR=#c2185b]red[/COLOR]: [URL=https://example.com/lamps/7]this one[/URL] [S]or not[/S]"}, {"id": "m4", "text": "Refused"})
    portal.sandbox.control("POST", "faults", {"fault": "slow_after", "delay_ms": 3000, "every": 5})
    portal.crm("Nobody is in this chat.", chat=demo.CHAT + 1)
