#!/usr/bin/env python3
"""Peers beside us on one workload, in one run, on a broker of their own.

Each reads the same topics to their ends, is compared with the reference, is killed and started again, and then answers live events.
Everything is in a temporary folder; what is started is ended by its pid, and dies with this process.
"""

import argparse
import contextlib
import ctypes
import datetime
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import reference

HERE = Path(__file__).resolve().parent
TOPICS = ["clickstream", "cart", "purchase", "support"]
DAYS = 60
START_MS = 1_767_225_600_000
# Four days after the last event: beyond every deadline that is compared.
TICK_MS = START_MS + (DAYS + 4) * reference.DAY
# How a fetch of the floor is gathered in the stage `live`.
GATHERED = ["fetch.min.bytes=200000", "fetch.wait.max.ms=10"]
LIMIT_S = 120


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="moments-peers-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(options, Path(folder), stack)
        rows = [kind for name in options.kinds for kind in kinds(name, bench)]
        bench.prepare(any(isinstance(row, Jvm) for row in rows))
        for stage in options.stages:
            if options.stages == ["live"]:
                say("a round that does not count: a broker that has just started costs twice as much")
                bench.live(rows[0])
            for row in rows:
                getattr(bench, stage.replace("-", "_"))(row)
        print(table(rows, bench))
        if options.keep_logs:
            shutil.copytree(bench.logs, options.keep_logs, dirs_exist_ok=True)
    if any(row.wrong for row in rows):
        sys.exit("dev: not everybody's commands are those of the reference")


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench peers", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the workload; 4000000 is the whole of it")
    parser.add_argument("--customers", type=int, help="a fortieth of the events where it is not said")
    parser.add_argument("--partitions", type=int, default=4, help="of each topic that comes in")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=["floor", "streams", "flink", "moments"],
                        help="floor,streams,flink,moments or a part of them")
    parser.add_argument("--stages", type=lambda text: text.split(","), default=["catch-up", "live"], help="catch-up,live or one of them")
    parser.add_argument("--rate", type=int, default=5000, help="live: events a second")
    parser.add_argument("--warm-up", type=int, default=15, help="live: seconds that are not measured")
    parser.add_argument("--seconds", type=int, default=20, help="live: seconds that are")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of moments' configuration")
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=BINARY", help="another build of moments, as a row of its own")
    parser.add_argument("--beside-set", action="append", default=[], metavar="NAME:KEY=VALUE",
                        help="this build of moments with another configuration, as a row of its own; those of a name go together")
    parser.add_argument("--keep-logs", type=Path, metavar="FOLDER", help="copy what everybody wrote to here")
    parser.add_argument("--moments", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tool", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.customers = options.customers or max(options.events // 40, 100)
    for name, given, known in [("kinds", options.kinds, KINDS), ("stages", options.stages, ["catch-up", "live"])]:
        wrong = [it for it in given if it not in known]
        if wrong:
            parser.error(f"--{name}: {wrong[0]} is none of {', '.join(known)}")
    return options


class Bench:
    """The broker, the workload, and what is measured on them."""

    def __init__(self, options, folder, stack):
        self.options, self.folder, self.stack = options, folder, stack
        self.logs, self.data, self.classes = folder / "logs", folder / "data", folder / "classes"
        for made in (self.logs, self.data, self.classes):
            made.mkdir()
        if "MOMENTS_KAFKA_LIBS" not in os.environ:
            sys.exit("dev: MOMENTS_KAFKA_LIBS is not set; run this as ./dev bench peers, which fetches Kafka")
        self.kafka = Path(os.environ["MOMENTS_KAFKA_LIBS"])
        self.jars = Path(os.environ.get("MOMENTS_PEERS_JARS", ""))
        self.load = os.getloadavg()

    def prepare(self, jvm):
        self.compile("load", self.kafka)
        if jvm:
            self.compile("streams", self.jars / "streams")
            self.compile("flink", self.jars / "flink")
        self.start_broker()
        say(f"the workload: {self.options.events} events of {self.options.customers} customers")
        numbers = [str(n) for n in (self.options.events, self.options.customers, DAYS)]
        subprocess.run([self.options.tool, "generate", *numbers, self.data], check=True)
        self.expected = reference.commands(self.data, TICK_MS)
        self.tool("create", *TOPICS)
        self.tool("load", self.data, "", TICK_MS)

    def compile(self, name, jars):
        sources = [*HERE.glob(f"java/{name}/*.java"), *HERE.glob("java/common/peer/*.java")]
        subprocess.run(["javac", "-nowarn", "-d", self.classes / name, "-cp", f"{jars}/*", *sources], check=True)

    def start_broker(self):
        self.bootstrap = f"127.0.0.1:{free_port()}"
        log = open(self.logs / "broker.log", "wb")
        node = self.folder / "broker"
        # Its script kills it when this pipe closes, however this process ends.
        script = subprocess.Popen(
            [HERE.parents[1] / "deploy/kafka/broker.sh", "--tied", self.kafka, node, self.bootstrap.split(":")[1], str(free_port())],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
        self.stack.callback(script.wait)
        self.stack.callback(script.stdin.close)
        wait_until("the broker", script, lambda: "Kafka Server started" in (self.logs / "broker.log").read_text(), lambda: tail(log.name))
        self.broker = int((node / "pid").read_text())

    def tool(self, *args):
        """A command of the Java tool; what it says, by name."""
        found = subprocess.run(self.tool_line(*args), check=True, capture_output=True, text=True)
        return said(found.stdout)

    def tool_line(self, *args):
        return java(self, "load", self.kafka) + ["Load", *map(str, args)]

    def start(self, row, prefix, log, *more):
        """Starts a row's process; it dies with this one."""
        path = self.logs / f"{row.label}.{log}.log"
        with open(path, "wb") as output:
            process = subprocess.Popen(row.command(prefix, *more), stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=tied)
        self.stack.callback(end, process)
        return process, path

    # Stages.

    def catch_up(self, row):
        if row.live_only:
            return
        say(f"{row.title}: catching up")
        if isinstance(row, Floor):
            line = [self.options.tool, "floor", self.bootstrap, "", str(self.options.partitions), "0", *row.properties]
            row.costs(said(subprocess.run(line, check=True, capture_output=True, text=True).stdout))
            return
        row.prepare("")
        process, log = self.start(row, "", "catch-up")
        found = self.tool("wait", row.group, "", process.pid, self.broker, row.out, len(self.expected))
        if found["ok"] != "true":
            sys.exit(f"dev: {row.title} did not read everything:\n{tail(log)}")
        row.caught_up(found, log.read_text())
        self.again(row, process)
        self.compare(row)
        if row.changelog:
            counted = self.tool("count", row.changelog)
            row.cells["changelog"] = f"{short(int(counted['records']))} records, {int(counted['bytes']) / 1e6:.0f} MB"
        self.forget(row)

    def again(self, row, process):
        """Killed and started at once: until a ticket in every partition is answered."""
        probe = subprocess.Popen(self.tool_line("probe", "", row.out, TICK_MS + 1000), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 text=True, preexec_fn=tied)
        self.stack.callback(end, probe)
        for line in probe.stdout:
            if line.strip() == "ready":
                break
        time.sleep(2)
        end(process)
        start = now_ms()
        process, log = self.start(row, "", "again", *row.resumed())
        found = said(probe.communicate("\n", timeout=2 * LIMIT_S)[0])
        took = (int(found["t"]) - start) / 1e3
        row.cells["again"] = (f"{took:.1f} s" if found["ok"] == "true" else "not in 120 s") + row.restored(log.read_text())
        end(process)

    def compare(self, row):
        file = self.logs / f"{row.label}.commands"
        self.tool("dump", row.out, file)
        lines = [line for line in file.read_text().splitlines() if " probe-" not in line]
        row.wrong = lines != self.expected
        if row.wrong:
            missing, extra = len(set(self.expected) - set(lines)), len(set(lines) - set(self.expected))
            say(f"{row.title}: {len(lines)} commands, of the reference's {len(self.expected)} {missing} are missing, and {extra} are others")

    def live(self, row):
        say(f"{row.title}: live")
        options, prefix = self.options, f"{row.label}-live-"
        self.tool("create", *(prefix + topic for topic in TOPICS))
        out = row.prepare(prefix) or "-"
        process, log = self.start(row, prefix, "live")
        wait_until(row.title, process, lambda: row.is_ready(log.read_text()), lambda: tail(log))
        time.sleep(3)
        found = self.tool("live", self.data, prefix, out, options.rate, options.warm_up, options.seconds, TICK_MS, process.pid, self.broker)
        if process.poll() is not None:
            sys.exit(f"dev: {row.title} ended before it should:\n{tail(log)}")
        end(process)
        row.answered(found)
        self.forget(row, prefix)

    def forget(self, row, prefix=None):
        names = [f"app-{row.label}-.*", f"(treatments|decisions|dead|late)-{row.label}(\\..*)?"]
        self.tool("delete", *names, *([prefix + ".*"] if prefix else []))
        shutil.rmtree(self.folder / row.label, ignore_errors=True)


class Row:
    """One of the table: a process, and what it costs."""

    changelog = None
    live_only = False

    def __init__(self, bench, label, title):
        self.bench, self.label, self.title = bench, label, title
        self.group, self.out = f"app-{label}", f"treatments-{label}"
        self.cells, self.wrong = {}, False

    def prepare(self, prefix):
        """Makes the topics of commands; which one to listen to."""
        self.bench.tool("create", self.out)
        return self.out

    def resumed(self):
        """What it is started with after a kill."""
        return ()

    def restored(self, _log):
        return ""

    def caught_up(self, found, log):
        start, cpu = self.begun(log)
        found["took_ms"], found["cpu_ms"] = int(found["t"]) - start, int(found["cpu_ms"]) - cpu
        self.costs(found)

    def costs(self, found):
        records = int(found["records"])
        self.cells["cpu"] = f"{float(found['cpu_ms']) / 1e3 / (records / 1e6):.2f}"
        self.cells["rate"] = f"{records / float(found['took_ms']):.0f} k"
        self.cells["peak"] = f"{int(found['peak_kb']) / 1024:.0f}"

    def answered(self, found):
        millions = int(found["events"]) / 1e6
        if int(found["asked"]) and found["answered"] != "0":
            self.cells["latency"] = f"{float(found['p50_ms']):.0f} / {float(found['p99_ms']):.0f}"
            if found["answered"] != found["asked"]:
                self.cells["latency"] += f" ({found['answered']} of {found['asked']})"
        if not isinstance(self, Producers):
            self.cells["live"] = f"{int(found['cpu_ms']) / 1e3 / millions:.1f}"
        self.cells["broker"] = f"{int(found['broker_cpu_ms']) / 1e3 / millions:.0f}"


class Floor(Row):
    """A bare consumer. Live it costs least when its fetches are gathered."""

    def __init__(self, bench, label, title, properties):
        super().__init__(bench, label, title)
        self.properties = properties
        # There is nothing to gather where everything is there.
        self.live_only = bool(properties)

    def prepare(self, prefix):
        return None

    def command(self, prefix):
        options = self.bench.options
        seconds = options.warm_up + options.seconds + 30
        return [options.tool, "floor", self.bench.bootstrap, prefix, str(options.partitions), str(seconds), *self.properties]

    def is_ready(self, _log):
        return True


class Producers(Floor):
    """Nobody reads: what the broker costs without us."""

    def __init__(self, bench, label, title):
        super().__init__(bench, label, title, ())
        self.live_only = True

    def command(self, prefix):
        return ["sleep", "infinity"]


class Jvm(Row):
    """A peer in Java, of the jars and with the options of its own."""

    def begun(self, log):
        found = re.search(r"FIRST_RECORD t=(\d+) cpu_ms=(\d+)", log)
        return int(found[1]), int(found[2])

    def is_ready(self, log):
        return "STATE RUNNING" in log


class Streams(Jvm):
    """Kafka Streams."""

    def __init__(self, bench, label, title):
        super().__init__(bench, label, title)
        self.changelog = f"app-{label}-.*-changelog"

    def command(self, prefix):
        state = self.bench.folder / self.label
        return java(self.bench, "streams", self.bench.jars / "streams", "-Xmx3g") + ["StreamsJob", prefix, self.out, self.group, state]

    def resumed(self):
        shutil.rmtree(self.bench.folder / self.label, ignore_errors=True)
        return ()


class Flink(Jvm):
    """Flink, in one process."""

    OPENS = ["java.lang", "java.util", "java.io", "java.net", "java.nio", "java.time", "java.util.concurrent",
             "java.util.concurrent.atomic", "java.lang.reflect", "java.text", "sun.net.util"]

    def command(self, prefix, *checkpoint):
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in self.OPENS]
        folder = self.bench.folder / self.label
        return java(self.bench, "flink", self.bench.jars / "flink", "-Xmx3g", *opens) + ["FlinkJob", prefix, self.out, self.group, folder, *checkpoint]

    def resumed(self):
        checkpoints = (self.bench.folder / self.label).glob("*/chk-*/_metadata")
        return (max(checkpoints, key=lambda file: file.stat().st_mtime).parent,)


class Moments(Row):
    """Us."""

    def __init__(self, bench, label, title, binary, settings=()):
        super().__init__(bench, label, title)
        self.binary, self.settings = binary, settings
        self.out += ".onsite"
        self.changelog = f"app-{label}-changelog"

    def line(self, command, prefix):
        label, bench = self.label, self.bench
        settings = {f"topics.{topic}.name": prefix + topic for topic in TOPICS}
        names = [("treatments", "treatments"), ("decisions", "decisions"), ("dead_letters", "dead"), ("late_events", "late")]
        settings |= {f"topics.{name}": f"{short}-{label}" for name, short in names}
        settings |= {"application.id": self.group, "kafka.bootstrap": bench.bootstrap, "http.listen": "127.0.0.1:0",
                     "topics.partitions": bench.options.partitions}
        given = [f"{name}={value}" for name, value in settings.items()] + [*bench.options.set, *self.settings]
        sets = [word for it in given for word in ("--set", it)]
        files = ["--config", HERE / "moments/moments.toml", "--triggers", HERE / "moments/triggers"]
        return [self.binary, *command, *files, *sets]

    def command(self, prefix):
        return self.line(["run"], prefix)

    def prepare(self, prefix):
        subprocess.run(self.line(["topics", "create"], prefix), check=True, stdout=subprocess.DEVNULL)
        return self.out

    def begun(self, log):
        """From its first ready task on, but all of its CPU."""
        found = re.search(r"^(\S+)Z .*task restored", log, re.M)
        return round(datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp() * 1e3), 0

    def is_ready(self, log):
        return log.count("task restored") >= self.bench.options.partitions

    def restored(self, log):
        took = [int(ms) for ms in re.findall(r"task restored.*took_ms=(\d+)", log)]
        return f" ({max(took) / 1e3:.1f} s restoring)" if took else ""


def kinds(name, bench):
    """The rows of a kind."""
    if name == "moments":
        own = bench.options.moments
        rows = [Moments(bench, "moments", "moments", own)]
        for it in bench.options.beside:
            title, binary = it.split("=", 1)
            rows.append(Moments(bench, beside(title), f"moments, {title}", binary))
        others = {}
        for it in bench.options.beside_set:
            title, setting = it.split(":", 1)
            others.setdefault(title, []).append(setting)
        return rows + [Moments(bench, beside(title), f"moments, {title}", own, settings) for title, settings in others.items()]
    return KINDS[name](bench)


def beside(title):
    """What its topics are called after."""
    return "beside-" + re.sub("[^a-z0-9]+", "-", title.lower())


KINDS = {
    "floor": lambda bench: [
        Floor(bench, "floor", "bare librdkafka consumer", []),
        Floor(bench, "gathered", f"the same, {' '.join(GATHERED)}", GATHERED),
        Producers(bench, "producers", "the load's producers alone"),
    ],
    "streams": lambda bench: [Streams(bench, "streams", "Kafka Streams, EOS, stores in memory, 100 ms commits")],
    "flink": lambda bench: [Flink(bench, "flink", "Flink, heap state, 1 s checkpoints")],
    "moments": None,
}


def table(rows, bench):
    options = bench.options
    columns = [("cpu", "CPU-s per M events"), ("rate", "events/s"), ("changelog", "changelog"), ("peak", "peak MiB"),
               ("latency", f"live {options.rate}/s p50 / p99 ms"), ("live", "CPU-s per M live"), ("broker", "broker CPU-s per M live"),
               ("again", "ready again after a kill")]
    lines = ["| | " + " | ".join(title for _, title in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        title = row.title + (" (**not the reference's commands**)" if row.wrong else "")
        lines.append(f"| {title} | " + " | ".join(row.cells.get(name, "") for name, _ in columns) + " |")
    load = " ".join(f"{it:.1f}" for it in bench.load)
    return (f"{datetime.date.today()}, {os.cpu_count()} cores, load before {load}; {options.events} events, {options.customers} customers, "
            f"{len(TOPICS)} x {options.partitions} partitions, {len(bench.expected)} commands\n\n" + "\n".join(lines))


def java(bench, name, jars, *more):
    return ["java", *(more or ["-Xmx1g"]), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", f"-Dbootstrap={bench.bootstrap}", f"-Dpartitions={bench.options.partitions}", "-cp", f"{bench.classes / name}:{jars}/*"]


def tied():
    """In a new process: it is killed when this one dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def wait_until(what, process, condition, log):
    limit = time.monotonic() + LIMIT_S
    while not condition():
        if process.poll() is not None or time.monotonic() > limit:
            sys.exit(f"dev: {what} did not start:\n{log()}")
        time.sleep(0.1)


def said(text):
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def tail(path):
    return "\n".join(Path(path).read_text(errors="replace").splitlines()[-15:])


def short(number):
    return f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number / 1e3:.0f} k"


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def now_ms():
    return time.time_ns() // 1_000_000


def say(text):
    print(f"dev: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
