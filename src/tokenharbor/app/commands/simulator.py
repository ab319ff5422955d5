"""`simulator`: a simulated provider for tests, demos and benchmarks."""

from pathlib import Path

import click

from tokenharbor.app.commands.common import Command
from tokenharbor.simulator.serve import run


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65_535), required=True, metavar="PORT", help="Port; 0 picks a free one.")
@click.option("--script", type=click.Path(path_type=Path), metavar="FILE", help="Answers and faults (TOML).")
@click.option("--host", default="127.0.0.1", metavar="HOST", help="Address to listen on.")
@click.option("--payments", is_flag=True, help="Also simulate Stripe and PayPal, on the next two ports.")
def simulator(port: int, script: Path | None, host: str, *, payments: bool) -> None:
    """Run a simulated provider. It has no model; its answers and faults are scripted."""
    run(port, script, host, payments=payments)
