"""What people do on the dashboard with the parts of the server that not each of them has."""

from __future__ import annotations

from . import accessibility
from .scenarios import http
from .stage import Stage, scenario

TOKENS = {"CONDUIT_API_TOKEN": "an-admin-token-for-the-tests", "CONDUIT_API_READ_TOKEN": "a-read-token-for-the-tests"}


@scenario
def records_arrive_in_the_live_tail(stage: Stage) -> None:
    """Records show as they come; they can be filtered, held still and opened, and lead to the filter tester."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure("orders", http(receiver))
    stage.need(stage.has_path("/api/collections/orders/tail"), "this server has no live tail")
    page.open("/#/collections/orders/tail")
    page.see("live", ".toolbar")
    host.insert("orders", [{"_id": f"o{number}", "status": "paid", "total": number} for number in range(5)])
    page.wait("document.querySelectorAll('.records li').length === 5", "five records")
    page.see("delivered", ".records")
    page.click("button", "Pause")
    host.mongo({"delete": "orders", "deletes": [{"q": {"_id": "o0"}, "limit": 1}]})
    page.see("Go on (1 new)")
    page.click("button", "Go on")
    page.see("REMOVE", ".records")
    page.click("field", "INSERT")
    page.wait("document.querySelectorAll('.records li').length === 1", "only the removal")
    page.click("field", "INSERT")
    page.wait("document.querySelectorAll('.records li').length === 6", "all of them")
    page.evaluate("document.querySelectorAll('.records li')[1].querySelector('summary').click()")
    page.see('"status": "paid"')
    accessibility.check(page)
    stage.screenshot("tail")
    page.click("link", "Try a filter on it")
    page.see("Matches: the record is delivered")
    page.fill("Filter", '{"new_image": {"total": [{"numeric": [">", 100]}]}}')
    page.see("Does not match")
    page.see("new_image.total")
    accessibility.check(page)
    stage.screenshot("filter")


@scenario
def a_filter_is_tried_on_a_record_of_ones_own(stage: Stage) -> None:
    """Without a tail too: a written record, an explanation for each path, and faults at their place."""
    page, host = stage.page, stage.host
    host.configure("orders", http(stage.receiver, filter_criteria={"new_image": {"status": ["paid"]}}))
    page.open("/#/collections/orders/filter")
    page.see("Matches: the record is delivered")
    page.see("new_image.status", "table")
    page.fill("Record", '{"newImage": {"status": "open"}}')
    page.see("Does not match")
    page.fill("Filter", '{"new_image": {"status": "paid"}}')
    page.see("new_image.status", ".fault")
    page.fill("Filter", "{")
    page.see("This is no JSON object")
    accessibility.check(page)


@scenario
def a_test_delivery_tells_what_the_endpoint_answers(stage: Stage) -> None:
    """A sample is sent now, and the answer shown."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure("orders", http(receiver))
    status, _ = host.request("POST", "/api/collections/orders/test")
    stage.need(status == 200, "this server has no test deliveries")
    page.open("/#/collections/orders")
    page.click("button", "Test hook")
    page.see("Accepted", "dialog")
    page.see("status 204", "dialog")
    accessibility.check(page)
    page.click("button", "Close")
    receiver.break_down()
    page.click("button", "Test all")
    page.see("Not accepted", "dialog")
    page.see("503", "dialog")


@scenario(settings=TOKENS)
def a_token_is_asked_for_once(stage: Stage) -> None:
    """A wrong token is refused, the right one opens everything until one signs out."""
    page, host = stage.page, stage.host
    _, page_text = host.request("GET", "/", headers={"Authorization": "none"})
    stage.need("<form" in str(page_text), "this server has no sign-in page")
    page.open()
    page.fill("Token", "wrong")
    page.press("Enter")
    page.wait("document.readyState === 'complete' && !!e2e.find('field', 'Token') && e2e.find('field', 'Token').value === ''", "the form again")
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
    host.configure("orders", http(stage.receiver))
    _, page_text = host.request("GET", "/", headers={"Authorization": "none"})
    stage.need("<form" in str(page_text), "this server has no sign-in page")
    page.open()
    page.fill("Token", TOKENS["CONDUIT_API_READ_TOKEN"])
    page.press("Enter")
    page.see("orders")
    page.click("link", "orders", "main")
    page.click("button", "Pause hook")
    page.see("You are signed in with the read-only token")


@scenario
def a_warning_of_the_server_stands_out(stage: Stage) -> None:
    """What the server warns of, and how long the history lasts, is shown as it says."""
    page, host = stage.page, stage.host
    host.configure("orders", http(stage.receiver))
    status = host.ask("GET", "/api/collections/orders/status")["destinations"][0]
    stage.need("warnings" in status, "this server gives no warnings")
    # The history of a test's database lasts for days: the answer is changed on its way.
    page.command("Page.addScriptToEvaluateOnNewDocument", {"source": WARN})
    page.open()
    page.see("Needs attention")
    page.see("the history is short")
    page.see("1 h 30 min")
    accessibility.check(page)


WARN = """
const ask = window.fetch;
window.fetch = async (...given) => {
  const answer = await ask(...given);
  if (given[0] !== "/api/status") return answer;
  const all = await answer.json();
  for (const destination of all.flatMap(({destinations}) => destinations)) {
    destination.history_seconds_left = 5400;
    destination.warnings = [{code: "history_short", message: "the history is short"}];
  }
  return new Response(JSON.stringify(all), {status: 200, headers: {"Content-Type": "application/json"}});
};
"""
