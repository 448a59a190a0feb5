"""The service at the command line: serve, and the keys of those who may ask it."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.extras import extra
from facespace.cli.options import AsJson, KeyFile, ModelPath, Provider, Threads
from facespace.cli.output import print_json, say, table, warn

keys_app = typer.Typer(help="API keys of a service: who may do what, how often.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

KeysPath = Annotated[Path, typer.Option("--keys", envvar="FACESPACE_KEYS", help="The file of the keys' hashes.")]


@app.command("serve")
def serve_command(
    model: ModelPath = None,
    gallery: Annotated[
        str | None,
        typer.Option("--gallery", "-g", envvar="FACESPACE_GALLERY", help="The gallery: SQLite file, or postgresql://"),
    ] = None,
    key_file: KeyFile = None,
    keys: Annotated[
        Path | None, typer.Option(envvar="FACESPACE_KEYS", help="The file of API keys; see `facespace keys`.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine only with keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Let everybody who reaches it do everything.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes; with several, keep the gallery in PostgreSQL.")] = 1,
    waiting: Annotated[int, typer.Option(min=0, help="Requests with photos that may wait, in each worker.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.1, help="Until a request is given up.")] = 30.0,
    keep_pictures: Annotated[
        bool, typer.Option("--keep-pictures", help="Allow a small picture of each enrolled face to be kept.")
    ] = False,
    cors: Annotated[
        list[str] | None,
        typer.Option(help="Origin of another site whose pages may ask, as https://photos.example; may be repeated."),
    ] = None,
    jobs: Annotated[Path | None, typer.Option(help="Folder for clusterings; a temporary one where not given.")] = None,
    job_hours: Annotated[float, typer.Option(min=0.01, help="Hours until a clustering is deleted.")] = 1.0,
    detector: Annotated[str | None, typer.Option(help="How to find faces, in place of the model card's.")] = None,
    provider: Provider = None,
    threads: Threads = None,
) -> None:
    """Answer over HTTP, with a page for people, until stopped."""
    with extra("serve"):
        from facespace.server.run import serve
        from facespace.server.settings import Settings

        settings = Settings(
            model=None if model is None else str(model),
            gallery=gallery,
            gallery_key=key_file,
            keys=keys,
            provider=provider,
            threads=threads,
            detector=detector,
            workers=workers,
            waiting=waiting,
            seconds=seconds,
            keep_pictures=keep_pictures,
            cors=tuple(cors or ()),
            jobs=jobs,
            job_seconds=round(3600 * job_hours),
        )
        new = gallery and "://" not in gallery and not Path(gallery).exists()
        if cors and keys is None:
            warn(f"pages of {', '.join(cors)} may read and change all that is served; make keys and give --keys FILE")
        if without_keys and keys is None:
            warn(f"everybody who reaches {host}:{port} may read and change all that is served")

        def tell() -> None:
            if new:
                say(f"there was no gallery {gallery} yet; it was created")
            say(f"facespace listens on http://{host}:{port}")

        serve(settings, host, port, without_keys, tell)


@keys_app.command("add")
def add_command(
    name: Annotated[str, typer.Argument(help="What the key is for; it stands in the logs.")],
    keys: KeysPath,
    scope: Annotated[
        list[str],
        typer.Option(
            help="verify, read, enrol or admin, each with those before it; embeddings, embedding-search and metrics "
            "stand alone."
        ),
    ],
    rate: Annotated[float | None, typer.Option(help="Requests a minute; any number where not given.")] = None,
    days: Annotated[float | None, typer.Option(help="Days until it expires; never where not given.")] = None,
) -> None:
    """Make a key. It is shown once; the file keeps its hash."""
    with extra("serve"):
        from facespace.server.keys import KeyFile, as_scopes

        expires = None if days is None else time.time() + 86_400 * days
        print(KeyFile(keys).add(name, as_scopes(scope), rate, expires))


@keys_app.command("list")
def list_command(keys: KeysPath, json: AsJson = False) -> None:
    """The keys there are, by name."""
    with extra("serve"):
        from facespace.server.keys import KeyFile

        found = KeyFile(keys).keys()
    if json:
        print_json({"keys": [key.model_dump(mode="json", exclude={"sha256"}) for key in found]})
        return
    rows = [
        [
            key.name,
            ", ".join(key.scopes),
            "any" if key.rate is None else f"{key.rate:g} a minute",
            _day(key.created),
            "never" if key.expires is None else _day(key.expires),
        ]
        for key in found
    ]
    table("", ["key", "may", "requests", "made", "expires"], rows)


@keys_app.command("remove")
def remove_command(name: Annotated[str, typer.Argument(help="The key's name.")], keys: KeysPath) -> None:
    """Take a key out; a running service refuses it from then on."""
    with extra("serve"):
        from facespace.server.keys import KeyFile

        KeyFile(keys).remove(name)
    say(f"removed {name} from {keys}")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
