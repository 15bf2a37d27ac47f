"""What people do about deliveries: watch, wait, send again, rewind, delete."""

from __future__ import annotations

from . import accessibility
from .stage import Stage, scenario


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
    host.configure("orders", receiver.destination(max_retries=0))
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
    host.configure("orders", receiver.destination(max_retries=0))
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
def a_collection_is_paused_rewound_and_deleted(stage: Stage) -> None:
    """Each says what it does; what cannot be undone is asked for first."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure("orders", receiver.destination())
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
