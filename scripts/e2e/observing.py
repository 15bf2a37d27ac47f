"""How people see what goes on: overview, live tail, filters, test deliveries, warnings."""

from __future__ import annotations

from . import accessibility
from .stage import Stage, scenario

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


@scenario
def the_overview_is_readable_in_light_and_dark(stage: Stage) -> None:
    """Several collections, each in a state of its own."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    analytics = receiver.destination(id="analytics", event_types=["INSERT"])
    host.configure("orders", receiver.destination(id="fulfilment"), analytics)
    host.configure("customers", receiver.destination(id="crm"))
    host.configure("sessions", receiver.destination(id="audit"))
    host.configure("invoices", receiver.destination(id="ledger", max_retries=0))
    host.ask("POST", "/api/collections/sessions/pause")
    receiver.answer_with(lambda record: 422 if record["newImage"].get("total", 0) < 0 else 204)
    page.open()
    host.insert("invoices", [{"_id": "INV-7", "total": -1}])
    for turn in range(12):
        host.insert("orders", [{"_id": f"{turn}-{number}", "total": number} for number in range(5 + 11 * turn % 40)])
        host.insert("customers", [{"_id": f"{turn}-{number}", "name": "Ann"} for number in range(3 + 7 * turn % 10)])
        # The page asks every two seconds; the curve gets a point each time.
        asked = page.evaluate("performance.getEntriesByName(location.origin + '/api/status').length")
        page.wait(f"performance.getEntriesByName(location.origin + '/api/status').length > {asked}", "the page to ask again")
    page.see("1 dead letter")
    page.see("Paused")
    accessibility.check(page)
    stage.screenshot("overview")
    page.set_scheme("dark")
    accessibility.check(page)
    stage.screenshot("overview-dark")


@scenario
def records_arrive_in_the_live_tail(stage: Stage) -> None:
    """Records show as they come; they can be filtered, held still and opened, and lead to the filter tester."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure("orders", receiver.destination())
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
    host.configure("orders", stage.receiver.destination(filter_criteria={"new_image": {"status": ["paid"]}}))
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
    host.configure("orders", receiver.destination())
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


@scenario
def a_warning_of_the_server_stands_out(stage: Stage) -> None:
    """What the server warns of, and how long the history lasts, is shown as it says."""
    page, host = stage.page, stage.host
    host.configure("orders", stage.receiver.destination())
    status = host.ask("GET", "/api/collections/orders/status")["destinations"][0]
    stage.need("warnings" in status, "this server gives no warnings")
    # The history of a test's database lasts for days: the answer is changed on its way.
    page.command("Page.addScriptToEvaluateOnNewDocument", {"source": WARN})
    page.open()
    page.see("Needs attention")
    page.see("the history is short")
    page.see("1 h 30 min")
    accessibility.check(page)
