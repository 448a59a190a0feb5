"""The commands `serve` and `keys ...`: run the HTTP service and manage its API keys."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.extras import extra
from facespace.cli.options import AsJson, KeyFile, ModelPath, Provider, Threads
from facespace.cli.output import echo, print_json, table, warn

keys_app = typer.Typer(help="Manage the API keys of a service.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

KeysPath = Annotated[
    Path, typer.Option("--keys", envvar="FACESPACE_KEYS", help="The file with the hashes of the keys.")
]


@app.command("serve")
def serve_command(
    model: ModelPath = None,
    gallery: Annotated[
        str | None,
        typer.Option(
            "--gallery", "-g", envvar="FACESPACE_GALLERY", help="The gallery: an SQLite file, or postgresql://..."
        ),
    ] = None,
    key_file: KeyFile = None,
    keys: Annotated[
        Path | None, typer.Option(envvar="FACESPACE_KEYS", help="The file of API keys, made with `facespace keys add`.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Anything but this machine needs --keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Allow every request without an API key.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes. With several, use a gallery in PostgreSQL.")
    ] = 1,
    queue_length: Annotated[int, typer.Option(min=0, help="Length of the queue of photo requests, per worker.")] = 64,
    timeout: Annotated[float, typer.Option(min=0.1, help="Request timeout, in seconds.")] = 30.0,
    keep_pictures: Annotated[
        bool, typer.Option("--keep-pictures", help="Allow callers to store a thumbnail of each enrolled face.")
    ] = False,
    cors: Annotated[
        list[str] | None,
        typer.Option(help="Allowed CORS origin, such as https://photos.example. Can be repeated."),
    ] = None,
    jobs: Annotated[Path | None, typer.Option(help="Folder for clustering jobs. Default: a temporary folder.")] = None,
    job_hours: Annotated[float, typer.Option(min=0.01, help="Hours after which a clustering job is deleted.")] = 1.0,
    detector: Annotated[str | None, typer.Option(help="Detector to use instead of the model card's.")] = None,
    provider: Provider = None,
    threads: Threads = None,
) -> None:
    """Run the HTTP API and web UI."""
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
            queue_length=queue_length,
            timeout=timeout,
            keep_pictures=keep_pictures,
            cors=tuple(cors or ()),
            jobs=jobs,
            job_seconds=round(3600 * job_hours),
        )
        new = gallery and "://" not in gallery and not Path(gallery).exists()
        if cors and keys is None:
            warn(f"pages of {', '.join(cors)} can read and change everything served here; use API keys: --keys FILE")
        if without_keys and keys is None:
            warn(f"anyone who can reach {host}:{port} can read and change everything served here")

        def on_start() -> None:
            if new:
                echo(f"created a new gallery, {gallery}")
            echo(f"facespace is listening on http://{host}:{port}")

        serve(settings, host, port, without_keys, on_start)


@keys_app.command("add")
def add_command(
    name: Annotated[str, typer.Argument(help="What the key is for. The name appears in the logs.")],
    keys: KeysPath,
    scope: Annotated[
        list[str],
        typer.Option(
            help="verify, read, enrol or admin; each level includes the previous one. Separate scopes: embeddings, "
            "embedding-search, metrics. Can be repeated."
        ),
    ],
    rate: Annotated[float | None, typer.Option(help="Requests per minute. Default: no limit.")] = None,
    days: Annotated[float | None, typer.Option(help="Days until the key expires. Default: never.")] = None,
) -> None:
    """Create a key and print it. It is shown only once; the file keeps its hash."""
    with extra("serve"):
        from facespace.server.keys import KeyFile, as_scopes

        expires = None if days is None else time.time() + 86_400 * days
        print(KeyFile(keys).add(name, as_scopes(scope), rate, expires))


@keys_app.command("list")
def list_command(keys: KeysPath, json: AsJson = False) -> None:
    """List the keys."""
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
            "no limit" if key.rate is None else f"{key.rate:g}/min",
            _day(key.created),
            "never" if key.expires is None else _day(key.expires),
        ]
        for key in found
    ]
    table("", ["key", "scopes", "rate", "created", "expires"], rows)


@keys_app.command("remove")
def remove_command(name: Annotated[str, typer.Argument(help="The key's name.")], keys: KeysPath) -> None:
    """Remove a key. A running service rejects it from then on."""
    with extra("serve"):
        from facespace.server.keys import KeyFile

        KeyFile(keys).remove(name)
    echo(f"removed {name} from {keys}")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
