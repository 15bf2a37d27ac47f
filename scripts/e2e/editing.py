"""What people do with a configuration: write it, mend it, save it while others do."""

from __future__ import annotations

from . import accessibility
from .stage import Stage, scenario


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
        receiver.destination(bearer_token="s3cret", headers={"X-Team": "shop"}, batch={"max_records": 10}, timeout="5s",
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
    host.configure("orders", receiver.destination())
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
