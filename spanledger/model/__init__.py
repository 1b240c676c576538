"""Types that every layer shares: decoded telemetry going in, records coming out, and the ids that tie them."""
