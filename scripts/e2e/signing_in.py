"""What people do on the dashboard of a server that asks for a token."""

from __future__ import annotations

from . import accessibility
from .stage import Stage, scenario

TOKENS = {"CONDUIT_API_TOKEN": "an-admin-token-for-the-tests", "CONDUIT_API_READ_TOKEN": "a-read-token-for-the-tests"}


@scenario(settings=TOKENS)
def a_token_is_asked_for_once(stage: Stage) -> None:
    """A wrong token is refused, the right one opens everything until one signs out."""
    page, host = stage.page, stage.host
    _, page_text = host.request("GET", "/", headers={"Authorization": "none"})
    stage.need("<form" in str(page_text), "this server has no sign-in page")
    page.open()
    page.fill("Token", "wrong")
    page.press("Enter")
    page.see("not a token of this server")
    accessibility.check(page)
    page.fill("Token", TOKENS["CONDUIT_API_TOKEN"])
    page.press("Enter")
    page.see("No collection is configured yet")
    page.click("link", "New collection", "main")
    page.fill("Name", "orders")
    page.fill("Endpoint", stage.receiver.url)
    page.click("button", "Create the collection")
    page.see("orders is created")
    # A session that ends during use leads to the form, and from there back to where one was.
    page.see("Streaming", "article")
    page.command("Network.clearBrowserCookies")
    page.fill("Token", TOKENS["CONDUIT_API_TOKEN"])
    page.press("Enter")
    page.see("Streaming", "article")
    assert page.evaluate("location.hash") == "#/collections/orders"
    page.click("button", "Sign out")
    page.find("field", "Token")
    assert "orders" not in page.text()


@scenario(settings=TOKENS)
def a_reader_may_look_and_is_told_so(stage: Stage) -> None:
    """With the read-only token everything shows, and what would change something says why it does not."""
    page, host = stage.page, stage.host
    host.configure("orders", stage.receiver.destination())
    _, page_text = host.request("GET", "/", headers={"Authorization": "none"})
    stage.need("<form" in str(page_text), "this server has no sign-in page")
    page.open()
    page.fill("Token", TOKENS["CONDUIT_API_READ_TOKEN"])
    page.press("Enter")
    page.see("orders")
    page.click("link", "orders", "main")
    page.click("button", "Pause hook")
    page.see("You are signed in with the read-only token")
