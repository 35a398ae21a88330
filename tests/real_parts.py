"""Real services for end-to-end tests: PostgreSQL, an S3 store, and an MLflow server on both."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow_parts import Server, _wait_until_healthy, free_port

KEY, SECRET = "test-key", "test-secret"


def s3_environment(port: int) -> dict[str, str]:
    """Return the credential of the store, as boto and DVC read it."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own, which is ended whatever happens."""
    with log.open("ab") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True, **options)
        try:
            yield process
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)


@contextlib.contextmanager
def s3_store(folder: Path) -> Iterator[int]:
    """Run seaweedfs with two buckets; yield its S3 port."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    # Each of its servers listens 10,000 ports higher, too.
    ports = [next(port for port in iter(free_port, None) if port < 55_000) for _ in range(4)]
    config = folder / "s3.json"
    identity = {
        "name": "test",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    (folder / "weed").mkdir()
    command = [str(Path(sys.executable).with_name("weed")), "server", f"-dir={folder / 'weed'}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.port={ports[0]}", f"-s3.config={config}"]
    command += [f"-master.port={ports[1]}", f"-volume.port={ports[2]}", f"-filer.port={ports[3]}"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=100"]
    # Of a second store on the machine the ports of these are taken; and it would report statistics of itself.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    with running(command, folder / "weed.log", cwd=folder):
        # A session of its own: the default one's requests are held to our patience.
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{ports[0]}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        end = time.monotonic() + 90
        for bucket in ("mlflow", "dvc"):
            while True:
                try:
                    client.create_bucket(Bucket=bucket)
                    break
                except (BotoCoreError, ClientError):
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.5)
        yield ports[0]


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL on a new cluster; yield the address of its database."""
    port, data = free_port(), folder / "postgres"
    as_user: list[str] = []
    if os.getuid() == 0:
        as_user = ["runuser", "-u", "postgres", "--"]
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == 0 and str(parent) not in ("/", "/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
    data.mkdir()
    if as_user:
        shutil.chown(data, "postgres", "postgres")
    arguments = ["-D", str(data)]
    initdb = [*as_user, program("initdb"), *arguments, "-U", "mlflow", "--auth=trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/")
    server = [*as_user, program("postgres"), *arguments, "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    with running([*server, "-c", "fsync=off"], folder / "postgres.log", cwd="/"):
        import psycopg

        address = f"postgresql://mlflow@127.0.0.1:{port}/postgres"
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(address).close()
                break
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres"


def program(name: str) -> str:
    """Return where a program of PostgreSQL is."""
    found = shutil.which(name) or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    assert found, f"install PostgreSQL: there is no {name}"
    return found


@contextlib.contextmanager
def mlflow_on(
    database: str, artifacts: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Run an MLflow server on a database, with artifacts in a store that only the server reaches."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "2", "--backend-store-uri", database, "--artifacts-destination", artifacts]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = folder / "server.log"
    with running(command, log, cwd=folder, env={**inherited, **quiet, **environment}) as process:
        _wait_until_healthy(uri, process, log, 180)
        yield Server(uri, folder)
