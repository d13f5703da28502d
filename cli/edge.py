"""`bannerstream edge`: tools for trying the edge."""

from typing import Annotated

import typer

from bannerstream.cli.console import AsJson, print_json, stdout
from bannerstream.cli.context import read_settings

app = typer.Typer(help="Tools for trying the edge.", no_args_is_help=True)


@app.command()
def token(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(help="The visitor's id, as the shop's events have it.")],
    as_json: AsJson = False,
) -> None:
    """Print a visitor's token, as the shop's own server would make one for a page.

    Who has it is this visitor to the edge, until it expires (edge.token_life_s).
    """
    from bannerstream.contracts.keys import user_key
    from bannerstream.edge.minting import TokenMint

    settings = read_settings(ctx)
    minted = TokenMint(settings).mint(user)
    if as_json:
        key = user_key(user, settings.privacy.user_key_secret.get_secret_value().encode())
        print_json({"token": minted, "user_key": key, "kid": settings.edge.token_kid})
    else:
        stdout.print(minted, highlight=False, soft_wrap=True)
