"""How pages behave: addresses, small screens, nasty names, a server that is away."""

from __future__ import annotations

from . import accessibility
from .stage import Stage, scenario


@scenario
def what_the_server_sends_is_shown_as_text(stage: Stage) -> None:
    """Names, records and errors that look like HTML run nothing."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    nasty = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    name = "<b>bold"
    receiver.answer_with(lambda _record: 422)
    host.configure(name, receiver.destination(max_retries=0))
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
    name = "a-collection-with-a-rather-long-name-that-does-not-end"
    host.configure(name, receiver.destination(max_retries=0, headers={"X-Team": "s"}))
    host.configure("orders", receiver.destination(max_retries=0))
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
    host.configure("orders", stage.receiver.destination())
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
    stage.host.configure("orders", stage.receiver.destination())
    page.open()
    page.see("orders")
    page.lose_the_network()
    page.see("The server cannot be reached", "#connection")
    page.see("orders")
    page.find_the_network()
    page.wait("document.querySelector('#connection').textContent === ''", "the connection to be back")
