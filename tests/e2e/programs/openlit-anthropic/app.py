"""One call of Anthropic's client, traced by OpenLIT. Runs with what `examples/openlit-openai` has installed."""

import os
import sys
from pathlib import Path

import openlit
from anthropic import Anthropic

prices = Path(__file__).parents[4] / "examples" / "openlit-openai" / "pricing.json"
openlit.init(otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], pricing_json=str(prices))
answer = Anthropic().messages.create(
    model="claude-sonnet-4-5", max_tokens=100, messages=[{"role": "user", "content": sys.argv[1]}]
)
print(answer.content[0].text)
