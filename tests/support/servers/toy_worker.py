"""A small real worker in a process of its own: `python toy_worker.py '<json>'`, logs as it goes."""

import json
import sys
from pathlib import Path

from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions
from rapport_runtime.database import Database
from rapport_runtime.http.probes import serve_probes
from rapport_runtime.stream.assignment import AssignmentOptions
from rapport_runtime.stream.watermarks import ReadToEnd
from rapport_runtime.stream.worker import Worker, WorkerOptions, stop_on_signals
from tests.support.worlds.toy_ledger import GROUP, MIDNIGHT, TOPIC, Ledger, loop_of


def main(arguments: dict[str, str]) -> int:
    """Run until SIGTERM; writes the port of the probes to the file `port`."""
    stop = stop_on_signals()
    options = KafkaOptions(
        bootstrap_servers=arguments["bootstrap"],
        client_id="toy",
        topic_prefix=arguments["prefix"],
        session_timeout_ms=300_000,  # no test waits for so long
        max_poll_interval_ms=300_000,
    )
    database = Database(arguments["database"], application_name="toy")
    consumer = KafkaConsumer(options, GROUP, [TOPIC])
    loop = loop_of(consumer, Ledger(database), assignment=AssignmentOptions())
    ends = ReadToEnd(database, GROUP, lambda _tx: MIDNIGHT, jumps=True)
    subject = Worker(
        group=GROUP,
        consumer=consumer,
        database=database,
        loop=loop,
        between_polls=[lambda: ends.observe(consumer, loop)],
        options=WorkerOptions(stale_seconds=float(arguments["stale_seconds"])),
    )
    probes = serve_probes(0, {"progress": subject.heartbeat.ready}, stop)
    Path(arguments["port"]).write_text(str(probes.port))
    code = subject.run(stop)
    probes.join()
    database.close()
    return code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
