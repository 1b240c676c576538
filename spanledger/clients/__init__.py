"""What everything that dials out has in common: TLS, connections to Kafka. Used by receivers and exporters alike."""
