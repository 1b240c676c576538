"""Spans of spanledger about itself, to whom `service::telemetry::traces` names."""
