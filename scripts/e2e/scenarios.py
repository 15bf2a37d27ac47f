"""What people do on the dashboard, each from a fresh server on."""

from __future__ import annotations

from . import accessibility
from .host import Host
from .receiver import Receiver
from .stage import Stage, scenario


def http(receiver: Receiver, **fields: object) -> dict:
    """A destination that sends to a receiver."""
    return {"type": "http", "id": "hook", "endpoint": receiver.url, **fields}


@scenario
def a_collection_made_by_hand_delivers_holds_and_drains(stage: Stage) -> None:
    """The whole story: create, deliver, break the endpoint, see the hold, repair it, see it drain."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    page.open()
    page.see("No collection is configured yet")
    accessibility.check(page)
    page.click("link", "New collection", "main")
    page.fill("Name", "orders")
    page.fill("Endpoint", receiver.url)
    page.click("button", "Create the collection")
    page.see("orders is created")
    page.see("Streaming", "article")
    accessibility.check(page)

    host.insert("orders", [{"_id": f"o{number}", "total": number} for number in range(3)])
    receiver.wait_for(3)
    page.wait("e2e.text('article').match(/Delivered\\s+3\\b/)", "three delivered records")

    receiver.break_down()
    host.insert("orders", [{"_id": f"p{number}", "total": number} for number in range(60)])
    page.see("Held", "article")
    page.see("Nothing is lost")
    accessibility.check(page)
    stage.screenshot("held")
    page.click("link", "Overview")
    page.see("Needs attention")
    page.see("orders → http-")
    page.wait("document.querySelector('#announcements').textContent.includes('Held')", "the hold to be said aloud")
    accessibility.check(page)

    receiver.repair()
    receiver.wait_for(63)
    page.unsee("Needs attention")
    page.wait("e2e.text('tbody').includes('Streaming')", "the destination to stream again")


@scenario
def a_dead_letter_is_looked_at_and_sent_again(stage: Stage) -> None:
    """A record that the endpoint refuses becomes a dead letter; once it is accepted, a redrive delivers it."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    receiver.answer_with(lambda record: 422 if record["newImage"]["total"] < 0 else 204)
    host.configure("orders", http(receiver, max_retries=0))
    page.open("/#/collections/orders")
    host.insert("orders", [{"_id": "good", "total": 1}, {"_id": "bad", "total": -1}])
    page.see("1 dead letter")
    host.insert("orders", [{"_id": "worse", "total": -2}])
    page.see("2 dead letters")
    page.click("link", "Dead letters (2)", "nav.tabs")
    page.see("bad", "main .records")
    page.see("422", "main .records")
    accessibility.check(page)
    page.click("button", "#1")
    page.see('"total": -1')
    stage.screenshot("dead-letters")

    receiver.repair()
    page.click("button", "Redrive", ".record-body")
    page.see("1 dead letter sent again")
    receiver.wait_for(2)
    page.unsee("-1", "main .records")
    page.wait("document.activeElement.textContent === 'Dead letters'", "the focus on the heading")
    page.see("worse", "main .records")
    assert [record["keys"]["_id"] for record in receiver.records] == ["good", "bad"]

    page.click("field", "Select the page")
    page.see("1 selected")
    page.click("button", "Purge selected…")
    page.see("for good", "dialog")
    accessibility.check(page)
    page.click("button", "Purge")
    page.see("1 dead letter purged")
    page.see("There are no dead letters")


@scenario
def dead_letters_come_in_pages_and_all_at_once(stage: Stage) -> None:
    """More dead letters than a page has; all of them are redriven together."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    receiver.answer_with(lambda _record: 422)
    host.configure("orders", http(receiver, max_retries=0))
    host.insert("orders", [{"_id": f"o{number:03}", "total": number} for number in range(120)])
    page.open("/#/collections/orders/dead-letters")
    page.wait("e2e.text('nav.tabs').includes('(120)')", "120 dead letters")
    page.click("button", "Refresh")
    page.see("Numbers 1 to 50")
    page.click("button", "Newer page")
    page.see("Numbers 51 to 100")
    page.click("button", "Newer page")
    page.see("Numbers 101 to 120")
    page.click("button", "Older page")
    page.see("Numbers 51 to 100")
    receiver.repair()
    page.click("button", "Redrive all…")
    page.click("button", "Redrive")
    page.see("120 dead letters sent again")
    receiver.wait_for(120)
    page.see("There are no dead letters")


@scenario
def the_form_says_what_is_wrong_as_one_types(stage: Stage) -> None:
    """Faults show at their fields, the page's own and those that only the server knows; nothing is saved."""
    page = stage.page
    page.open("/#/new")
    page.fill("Name", "system.users")
    page.fill("Endpoint", "ftp://example.com")
    page.fill("Filter (JSON)", '{"new_image": {"total": [{"numeric": ["!", 1]}]}}')
    page.see("Names of system collections are MongoDB's own.")
    page.see("It must be an http or https URL")
    page.see("new_image.total")
    page.click("button", "Create the collection")
    page.see("3 things are to be put right")
    accessibility.check(page)
    stage.screenshot("form-with-faults")
    page.fill("Name", "orders")
    page.unsee("Names of system collections are MongoDB's own.")
    page.fill("Endpoint", "http://169.254.169.254/latest")
    page.fill("Filter (JSON)", '{"old_image": {"status": ["open"]}}')
    page.see("It looks at old_image")
    page.click("field", "Old images")
    page.unsee("It looks at old_image")
    page.click("button", "Create the collection")
    page.see("cloud metadata addresses are refused")
    page.see("One thing is to be put right")
    assert page.evaluate("document.activeElement.className") == "summary-of-faults"
    page.click("link", "Endpoint:")
    assert page.evaluate("e2e.focused()") == "Endpoint"
    assert stage.host.ask("GET", "/api/collections") == []


@scenario
def what_the_form_does_not_show_is_kept(stage: Stage) -> None:
    """An edit of one field leaves the others, stored secrets among them, as they are."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure(
        "orders",
        http(receiver, bearer_token="s3cret", headers={"X-Team": "shop"}, batch={"max_records": 10}, timeout="5s",
             filter_criteria={"new_image": {"n": [9007199254740993]}}, event_types=["INSERT"]),
        old_image=True,
    )
    before = host.ask("GET", "/api/collections/orders")
    page.open("/#/collections/orders/edit")
    page.find("field", "Endpoint")
    page.click("button", "More settings")
    page.fill("Retries, at most", "7")
    accessibility.check(page)
    page.click("button", "Save")
    page.see("orders is saved")
    after = host.ask("GET", "/api/collections/orders")
    before["destinations"][0]["max_retries"] = 7
    assert after == before, f"{after}\n{before}"

    page.see("Delivered", "article")
    page.click("link", "Edit", "nav.tabs")
    page.click("button", "JSON")
    page.see("Configuration (JSON)")
    text = page.evaluate("e2e.find('field', 'Configuration (JSON)').value")
    assert "s3cret" not in text and '"max_retries": 7' in text, text
    page.fill("Configuration (JSON)", text.replace('"max_retries": 7', '"max_retries": 8'))
    page.click("button", "Save")
    page.see("Delivered", "article")
    assert host.ask("GET", "/api/collections/orders")["destinations"][0]["max_retries"] == 8


@scenario
def somebody_else_saved_meanwhile(stage: Stage) -> None:
    """Whoever saves second sees what the first one changed and decides."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure("orders", http(receiver))
    stage.need(stage.has_header("/api/collections/orders", "ETag"), "this server tells no version of a configuration")
    page.open("/#/collections/orders/edit")
    page.fill("Endpoint", receiver.url + "/mine")
    host.ask("PATCH", "/api/collections/orders", {"old_image": True})
    page.click("button", "Save")
    page.see("Somebody else saved meanwhile")
    page.see("old_image", "dialog")
    accessibility.check(page)
    page.click("button", "Take theirs")
    page.wait("e2e.find('field', 'Old images').checked", "their value in the form")
    assert page.evaluate("e2e.find('field', 'Endpoint').value") == receiver.url
    page.fill("Endpoint", receiver.url + "/mine")
    host.ask("PATCH", "/api/collections/orders", {"old_image": False})
    page.click("button", "Save")
    page.click("button", "Overwrite with mine")
    page.see("orders is saved")
    stored = host.ask("GET", "/api/collections/orders")
    assert stored["old_image"] is True and stored["destinations"][0]["endpoint"].endswith("/mine")


@scenario
def a_collection_can_be_made_with_the_keyboard_alone(stage: Stage) -> None:
    """From the top of the page to a configured collection without a pointer, the focus seen all the way."""
    page = stage.page
    page.open()
    page.see("No collection is configured yet")

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.press("Tab")
            if page.evaluate("e2e.focused()").startswith(name):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"the focus on {name!r} cannot be seen"
                return
        raise AssertionError(f"the Tab key never came to {name!r}")

    tab_to("Skip to the content")
    page.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to("New collection")
    page.press("Enter")
    page.wait("document.activeElement.tagName === 'H1' && e2e.focused() === 'New collection'", "the focus on the heading")
    tab_to("Name")
    page.type("orders")
    tab_to("Streaming")
    page.press("Space")
    tab_to("Endpoint")
    page.type(stage.receiver.url)
    page.press("Enter")
    page.see("orders is created")
    assert stage.host.ask("GET", "/api/collections/orders")["stream_enabled"] is False


@scenario
def a_collection_is_paused_rewound_and_deleted(stage: Stage) -> None:
    """Each says what it does; what cannot be undone is asked for first."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure("orders", http(receiver))
    host.insert("orders", [{"_id": "one"}])
    receiver.wait_for(1)
    page.open("/#/collections/orders")
    page.click("button", "Pause hook")
    page.see("Paused", "article")
    page.click("button", "Resume hook")
    page.see("Streaming", "article")
    page.click("button", "Rewind… hook")
    page.see("delivered again", "dialog")
    accessibility.check(page)
    page.press("Escape")
    page.wait("!document.querySelector('dialog')", "the dialog to close")
    assert page.evaluate("e2e.focused()") == "Rewind… hook", page.evaluate("e2e.focused()")
    page.click("button", "Rewind all…")
    page.click("field", "To now")
    page.see("is skipped for good", "dialog")
    page.click("field", "To a time")
    page.set_time("Time, in your own time zone", "2100-01-01T00:00:00")
    page.click("button", "Rewind")
    page.see("is in the future", "dialog")
    page.set_time("Time, in your own time zone", "2020-01-01T00:00:00")
    page.click("button", "Rewind")
    page.see("Rewound 1 destination of orders")
    receiver.wait_for(2)
    page.click("button", "Delete…")
    page.see("The documents in MongoDB stay", "dialog")
    assert page.evaluate("e2e.find('button', 'Delete').disabled")
    page.fill("Type orders to confirm", "orders")
    accessibility.check(page)
    page.click("button", "Delete")
    page.see("orders is deleted")
    page.see("No collection is configured yet")
    assert host.mongo({"count": "orders"})["n"] == 1


@scenario
def what_the_server_sends_is_shown_as_text(stage: Stage) -> None:
    """Names, records and errors that look like HTML run nothing."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    nasty = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    name = "<b>bold"
    receiver.answer_with(lambda _record: 422)
    host.configure(name, http(receiver, max_retries=0))
    host.insert(name, [{"_id": nasty, nasty: nasty, "big": 9007199254740993}])
    page.open()
    page.see(name)
    page.click("link", name)
    page.see("1 dead letter")
    page.click("link", "Dead letters", "nav.tabs")
    page.see(nasty)
    page.click("button", "#1")
    page.see("9007199254740993")
    assert page.evaluate("document.querySelectorAll('main img, main script, main b').length") == 0


@scenario
def a_telephone_needs_no_scrolling_sideways(stage: Stage) -> None:
    """At 360 pixels every page fits, in the dark too."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    receiver.answer_with(lambda _record: 422)
    host.configure("a-collection-with-a-rather-long-name-that-does-not-end", http(receiver, max_retries=0, headers={"X-Team": "s"}))
    host.configure("orders", http(receiver, max_retries=0))
    host.insert("orders", [{"_id": "x" * 200, "text": "y" * 500}])
    page.resize(360, 740, is_phone=True)
    for scheme in ("light", "dark"):
        page.set_scheme(scheme)
        for path, text in (
            ("/", "Overview"), ("/#/new", "Endpoint"), ("/#/collections/orders", "Delivered"),
            ("/#/collections/orders/tail", "Live tail"), ("/#/collections/orders/filter", "Filter"),
            ("/#/collections/orders/dead-letters", "422"), ("/#/collections/orders/edit", "Save"),
        ):
            page.open(path)
            page.see(text, "main")
            accessibility.check_width(page)
            accessibility.check(page)
    page.open("/")
    page.see("Needs attention")
    stage.screenshot("phone")


@scenario
def back_and_forward_lead_through_the_pages(stage: Stage) -> None:
    """Pages have addresses; what is not saved is asked about."""
    page, host = stage.page, stage.host
    host.configure("orders", http(stage.receiver))
    page.open()
    page.click("link", "orders", "main")
    page.see("Destinations", "main h2")
    assert page.evaluate("document.title") == "orders: Destinations · Conduit"
    page.click("link", "Dead letters", "nav.tabs")
    page.see("There are no dead letters")
    page.evaluate("history.back()")
    page.see("Destinations", "main h2")
    page.evaluate("history.back()")
    page.see("Overview", "h1")
    page.evaluate("history.forward()")
    page.see("Destinations", "main h2")
    page.click("link", "Edit", "nav.tabs")
    page.fill("Endpoint", "https://example.com/other")
    page.click("link", "Overview", "header")
    page.see("What you changed here is not saved", "dialog")
    page.click("button", "Cancel")
    page.wait("location.hash === '#/collections/orders/edit'", "the address of the page that was not left")
    assert page.evaluate("e2e.find('field', 'Endpoint').value") == "https://example.com/other"
    page.click("link", "Overview", "header")
    page.click("button", "Leave without saving")
    page.see("Overview", "h1")
    page.open("/#/collections/no-such-collection")
    page.see("There is no such collection")
    page.open("/#/nowhere")
    page.see("There is no such page")


@scenario
def a_server_that_is_away_is_said_and_found_again(stage: Stage) -> None:
    """What is shown says how old it is, and goes on by itself."""
    page = stage.page
    stage.host.configure("orders", http(stage.receiver))
    page.open()
    page.see("orders")
    page.command("Network.emulateNetworkConditions", {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    page.see("The server cannot be reached", "#connection")
    page.see("orders")
    page.command("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    page.wait("document.querySelector('#connection').textContent === ''", "the connection to be back")
