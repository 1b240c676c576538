"""Pricing of one model call: `PriceList.cost(call)` gives a `spanledger.model.records.Cost`.

- `price_list` decides whose number counts: cache hit, override, reported cost, price list.
- `names` reads provider and model names as gateways, clouds and SDKs write them.
- `catalog` looks them up in genai-prices and compiles rate cards, one per price period.
- `rate_card` multiplies: disjoint token buckets times integer pico-dollars.
- `override` and `pattern` hold prices given by the user.

Nothing here does I/O, reads a clock or grows without bound.
"""

from spanledger import compiled

__path__ = compiled.ahead_of(__name__, __path__)

from spanledger.mapping.cost.call import Call
from spanledger.mapping.cost.override import Override
from spanledger.mapping.cost.price_list import PriceList

__all__ = ["Call", "Override", "PriceList"]
