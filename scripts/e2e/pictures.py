"""The pictures of the documentation that no other scenario makes."""

from __future__ import annotations

from . import accessibility
from .scenarios import http
from .stage import Stage, scenario


@scenario
def the_overview_is_readable_in_light_and_dark(stage: Stage) -> None:
    """Several collections, each in a state of its own."""
    page, receiver, host = stage.page, stage.receiver, stage.host
    host.configure("orders", http(receiver, id="fulfilment"), http(receiver, id="analytics", event_types=["INSERT"]))
    host.configure("customers", http(receiver, id="crm"))
    host.configure("sessions", http(receiver, id="audit"))
    host.configure("invoices", http(receiver, id="ledger", max_retries=0), stream_enabled=True)
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
