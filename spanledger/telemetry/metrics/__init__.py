"""What spanledger counts about itself: declared once, read when somebody asks, shown to Prometheus and over OTLP.

Components keep plain integers. `collect` turns them into `Samples` at a scrape, so that counting costs the road of the
data an addition and nothing else.
"""
