"""`spanledger health`: ask the health check of a running process, for containers without other programs."""

from __future__ import annotations

import click


@click.command()
@click.argument("url", default="http://127.0.0.1:13133/", envvar="SPANLEDGER_HEALTH", metavar="[URL]")
@click.option("--timeout", default=2.0, show_default=True, metavar="SECONDS", help="How long to wait for the answer.")
def health(url: str, timeout: float) -> None:
    """Ask a running spanledger whether it accepts data: exit status 0 when it does.

    \b
    spanledger health
    spanledger health http://10.0.0.7:13133/
    """
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise click.BadParameter("expected an address such as http://127.0.0.1:13133/", param_hint="URL")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 13133, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        body = answer.read(65_536).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise click.ClickException(f"{parts.netloc} does not answer: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise click.ClickException(f"not ready (HTTP {answer.status}): {body}")
    click.echo(body)
