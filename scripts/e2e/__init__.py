"""The tests of the dashboard in a real browser. `scripts/dashboard_e2e.py` runs them."""
