"""`python -m spanledger` is `spanledger`."""

from spanledger.cli import main

main()
