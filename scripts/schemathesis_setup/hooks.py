"""What Schemathesis has to know to send requests that get far: endpoints that lead nowhere else."""

import schemathesis
from hypothesis import strategies as st

# Loopback, where nobody listens: whatever is configured, nothing leaves this machine.
schemathesis.openapi.format("uri", st.from_regex(r"https?://127\.0\.0\.1:9(/[a-z0-9]{1,8}){0,2}", fullmatch=True))
