#!/usr/bin/env python3
"""bench.py [--runs N] [--copies N] [--list N] [--plugin FILE]: prints speed and memory as ratios, medians of N runs.

Each figure stands beside what a person would type instead, measured in the same run on the same
server: `docker exec pg_dump -Fc -Z zstd:3 > file`, and `pg_restore -j2` from a zstd directory
inside the container. The plugin should be the release build. Needs the Contents list
(`apt-file update`); the archive database is loaded once and kept as an image.
"""
import argparse, json, os, re, shutil, statistics, subprocess, sys, tempfile, threading, time

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
data = os.path.join(root, "tests", "data")


def run(*argv, **options):
    return subprocess.run(argv, check=True, **options)


def text(*argv, **options):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **options).stdout.strip()


class Memory(threading.Thread):
    """Watches the peak resident memory of the processes of a container whose name begins with pgbackup."""

    def __init__(self, container):
        super().__init__(daemon=True)
        self.container, self.peak, self.stop = container, 0, threading.Event()
        self.start()

    def run(self):
        pids, looked = [], 0.0
        while not self.stop.is_set():
            if time.monotonic() - looked > 0.2:
                top = subprocess.run(["docker", "top", self.container, "-eo", "pid,comm,args"], capture_output=True, text=True).stdout
                fields = [line.split(None, 2) for line in top.splitlines()[1:]]
                # The server's own sessions are titled `postgres: ... pgbackup/...`, so only the program counts.
                pids = [f[0] for f in fields if len(f) == 3 and ("pgbackup" in f[1] or "pgbackup" in f[2].split()[0])]
                looked = time.monotonic()
            for pid in pids:
                try:
                    found = re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())
                    self.peak = max(self.peak, int(found[1]) * 1024 if found else 0)
                except OSError:
                    pass
            time.sleep(0.02)

    def end(self):
        self.stop.set()
        self.join()
        return self.peak


class Bench:
    def __init__(self, options):
        self.options, self.plugin = options, os.path.abspath(options.plugin)
        self.home = tempfile.mkdtemp(prefix="pgbackup-bench-")
        self.server = f"pgbackup-bench-{os.getpid()}"

    def start(self, image, *more, volume=()):
        # Without a volume the data lie in the container's own layer, so that a commit keeps them.
        setting = ["--env", "POSTGRES_PASSWORD=bench", "--env", "PGDATA=/var/lib/archive"]
        run("docker", "run", "--detach", "--name", self.server, "--shm-size", "256m", *setting, *volume, image, *more, stdout=subprocess.DEVNULL)
        self.wait()

    def wait(self):
        for _ in range(600):
            if subprocess.run(["docker", "exec", "--env", "PGPASSWORD=bench", self.server, "psql", "-XqAt", "-h", "127.0.0.1", "-U", "postgres", "-c", "SELECT 1"], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit("the server does not answer")

    def archive(self):
        tag = f"pgbackup-test-archive:17-{self.options.copies}-contents"
        if subprocess.run(["docker", "image", "inspect", tag], capture_output=True).returncode:
            print(f"loading {tag}", file=sys.stderr)
            self.start("postgres:17", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=4GB")
            self.sql("postgres", "CREATE DATABASE archive")
            generator = subprocess.Popen([sys.executable, os.path.join(data, "debian_archive.py"), "--copies", str(self.options.copies), "--contents"], stdout=subprocess.PIPE)
            run("docker", "exec", "-i", self.server, "psql", "-qXU", "postgres", "-v", "ON_ERROR_STOP=1", "-d", "archive", stdin=generator.stdout, stdout=subprocess.DEVNULL)
            if generator.wait():
                sys.exit("the archive database could not be made")
            self.sql("archive", "VACUUM (ANALYZE)")
            run("docker", "stop", "--time", "60", self.server, stdout=subprocess.DEVNULL)
            run("docker", "commit", "--change", 'CMD ["postgres"]', self.server, tag, stdout=subprocess.DEVNULL)
            self.remove()
        # A volume, as the official images declare one: what lies in the image is copied into it.
        self.start(tag, volume=["--volume", "/var/lib/archive"])

    def remove(self):
        subprocess.run(["docker", "rm", "--force", "--volumes", self.server], capture_output=True)

    def sql(self, database, sql):
        return text("docker", "exec", "-i", self.server, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, input=sql)

    def timed(self, *argv, stdout=subprocess.DEVNULL):
        """Returns seconds and peak memory of the program itself."""
        began = time.monotonic()
        child = subprocess.Popen(argv, stdout=stdout, stderr=subprocess.PIPE, env=self.environment())
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{argv} exited with {child.returncode}: {said.decode(errors='replace')}")
        return time.monotonic() - began, usage.ru_maxrss * 1024

    def environment(self):
        names = ("PATH", "DOCKER_HOST")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return kept | {"HOME": self.home, "XDG_DATA_HOME": self.home + "/data", "XDG_CONFIG_HOME": self.home + "/config"}

    def stored(self):
        return json.loads(text(self.plugin, "repo", "info", "--format", "json", env=self.environment()))["stored_bytes"]

    def forget(self):
        shutil.rmtree(self.home)
        os.mkdir(self.home)

    def baseline(self):
        with open(self.home + "/dump", "wb") as file:
            seconds, _ = self.timed("docker", "exec", self.server, "pg_dump", "-U", "postgres", "-Fc", "-Z", "zstd:3", "archive", stdout=file)
        size = os.path.getsize(self.home + "/dump")
        os.unlink(self.home + "/dump")
        return seconds, size

    def create(self, name, jobs="2"):
        memory = Memory(self.server)
        before = self.stored() if os.path.exists(self.home + "/data") else 0
        seconds, peak = self.timed(self.plugin, "create", self.server, "-d", "archive", "--name", name, "--jobs", jobs, "--quiet")
        return seconds, peak, memory.end(), self.stored() - before

    def measure(self):
        runs, rows = self.options.runs, []
        figures = {name: [] for name in ("first", "again", "unchanged", "day", "restore", "plugin", "mover", "restore plugin", "restore mover")}
        raw = {name: [] for name in ("dump", "first", "again", "restore", "pg_restore")}
        for number in range(runs):
            self.forget()
            dump, size = self.baseline()
            first = self.create("first")
            again = self.create("again")
            self.sql("archive", "\\set day %d\n" % (number + 1) + open(os.path.join(data, "day.sql")).read())
            day_size = self.baseline()[1]
            day = self.create("day")
            raw["dump"].append(dump), raw["first"].append(first[0]), raw["again"].append(again[0])
            figures["first"].append(first[0] / dump), figures["again"].append(again[0] / dump)
            figures["unchanged"].append(again[3] / size), figures["day"].append(day[3] / day_size)
            figures["plugin"].append(max(first[1], again[1])), figures["mover"].append(max(first[2], again[2]))
            run("docker", "exec", self.server, "sh", "-c", "rm -rf /tmp/dir && pg_dump -U postgres -Fd -j2 -Z zstd:3 -f /tmp/dir archive && createdb -U postgres by_pg_restore")
            seconds, _ = self.timed("docker", "exec", self.server, "pg_restore", "-U", "postgres", "-j2", "-d", "by_pg_restore", "/tmp/dir")
            self.sql("postgres", "DROP DATABASE by_pg_restore")
            run("docker", "exec", self.server, "rm", "-rf", "/tmp/dir")
            self.sql("postgres", "CHECKPOINT")
            memory = Memory(self.server)
            ours, peak = self.timed(self.plugin, "restore", "day", "-d", "archive", "--into", "by_us", "--jobs", "2", "--yes", "--quiet")
            figures["restore mover"].append(memory.end()), figures["restore plugin"].append(peak)
            self.sql("postgres", "DROP DATABASE by_us")
            self.sql("postgres", "CHECKPOINT")
            raw["restore"].append(ours), raw["pg_restore"].append(seconds)
            figures["restore"].append(ours / seconds)
            print(f"run {number + 1} of {runs}: dump {dump:.2f} s, create {first[0]:.2f} s, again {again[0]:.2f} s, pg_restore {seconds:.2f} s, restore {ours:.2f} s, new bytes of a day {figures['day'][-1]:.1%}", file=sys.stderr)
        middle = {name: statistics.median(values) for name, values in figures.items()}
        typical = {name: statistics.median(values) for name, values in raw.items()}
        rows.append(("first create / `docker exec pg_dump -Fc -Z zstd:3 > file`", "<= 1.0", f"{middle['first']:.2f} ({typical['first']:.2f} s / {typical['dump']:.2f} s)"))
        rows.append(("create again, unchanged / the same", "<= 0.6", f"{middle['again']:.2f} ({typical['again']:.2f} s)"))
        rows.append(("new bytes unchanged / a zstd:3 dump", "<= 1%", f"{middle['unchanged']:.2%}"))
        rows.append(("new bytes after one day / a zstd:3 dump", "<= 15%", f"{middle['day']:.1%}"))
        rows.append(("restore / `pg_restore -j2` from a zstd directory inside", "<= 1.3", f"{middle['restore']:.2f} ({typical['restore']:.1f} s / {typical['pg_restore']:.1f} s)"))
        rows.append(("peak memory of the plugin, create; restore", "<= 100 MB", f"{middle['plugin'] / 1e6:.0f} MB; {middle['restore plugin'] / 1e6:.0f} MB"))
        rows.append(("peak memory of the mover, create; restore", "<= 24 MB", f"{middle['mover'] / 1e6:.0f} MB; {middle['restore mover'] / 1e6:.0f} MB"))
        rows.append(self.memory("of 200 MB of rows", "COPY (SELECT path, package_names FROM archive.file WHERE suite_id < 3) TO STDOUT"))
        rows.append(self.memory("with a row of 100 MB", "COPY (SELECT string_agg(md5(i::text), ''), '' FROM generate_series(1, 3125000) i) TO STDOUT"))
        rows.extend(self.plain_rows())
        if self.options.list:
            rows.append(self.many_backups(self.options.list))
        width = max(len(row[0]) for row in rows)
        print(f"\narchive database, {self.options.copies} copies; median of {runs} runs\n")
        print(f"| {'measure':{width}} | must be | measured |\n| --- | --- | --- |")
        for name, limit, value in rows:
            print(f"| {name:{width}} | {limit} | {value} |")

    def memory(self, what, copy):
        """Peak memory of the first create of a database whose one table has the rows of a COPY."""
        self.sql("postgres", "CREATE DATABASE other")
        self.sql("other", "CREATE TABLE t (a text, b text)")
        run("docker", "exec", self.server, "sh", "-c", 'psql -XqU postgres -d archive -c "$1" | psql -XqU postgres -d other -v ON_ERROR_STOP=1 -c "COPY t FROM STDIN"', "sh", copy)
        memory = Memory(self.server)
        _, peak = self.timed(self.plugin, "create", self.server, "-d", "other", "--name", "other", "--jobs", "2", "--quiet")
        mover = memory.end()
        self.timed(self.plugin, "delete", "other", "--yes")
        self.sql("postgres", "DROP DATABASE other")
        return (f"peak memory {what}: plugin; mover", "<= 100; 24 MB", f"{peak / 1e6:.0f} MB; {mover / 1e6:.0f} MB")

    def plain_rows(self):
        """The same without a mover: the server's own tools, cut on this side."""
        never = ["--mover=never", "--jobs", "2", "--quiet"]
        figures = {name: [] for name in ("first", "again", "other way", "restore", "plugin", "restore plugin")}
        for _ in range(self.options.runs):
            self.forget()
            dump, size = self.baseline()
            first, peak = self.timed(self.plugin, "create", self.server, "-d", "archive", "--name", "first", *never)
            again, _ = self.timed(self.plugin, "create", self.server, "-d", "archive", "--name", "again", *never)
            figures["first"].append(first / dump), figures["again"].append(again / dump), figures["plugin"].append(peak)
            figures["other way"].append(self.create("by-the-mover")[3] / size)
            run("docker", "exec", self.server, "sh", "-c", "rm -rf /tmp/dir && pg_dump -U postgres -Fd -j2 -Z zstd:3 -f /tmp/dir archive && createdb -U postgres by_pg_restore")
            seconds, _ = self.timed("docker", "exec", self.server, "pg_restore", "-U", "postgres", "-j2", "-d", "by_pg_restore", "/tmp/dir")
            self.sql("postgres", "DROP DATABASE by_pg_restore")
            run("docker", "exec", self.server, "rm", "-rf", "/tmp/dir")
            self.sql("postgres", "CHECKPOINT")
            ours, peak = self.timed(self.plugin, "restore", "first", "-d", "archive", "--into", "by_us", "--yes", *never)
            self.sql("postgres", "DROP DATABASE by_us")
            figures["restore"].append(ours / seconds), figures["restore plugin"].append(peak)
            print(f"without a mover: create {first:.2f} s of {dump:.2f} s, again {again:.2f} s, restore {ours:.2f} s of {seconds:.2f} s", file=sys.stderr)
        middle = {name: statistics.median(values) for name, values in figures.items()}
        return [
            ("without a mover: first create / the same", "<= 1.7", f"{middle['first']:.2f}"),
            ("without a mover: create again, unchanged / the same", "", f"{middle['again']:.2f}"),
            ("without a mover: restore / the same", "<= 2.0", f"{middle['restore']:.2f}"),
            ("new bytes by the mover after a backup without it / a zstd:3 dump", "<= 2%", f"{middle['other way']:.2%}"),
            ("without a mover: peak memory of the plugin, create; restore", "<= 100 MB", f"{middle['plugin'] / 1e6:.0f} MB; {middle['restore plugin'] / 1e6:.0f} MB"),
        ]

    def many_backups(self, count):
        self.sql("postgres", "CREATE DATABASE small")
        self.forget()
        self.timed(self.plugin, "create", self.server, "-d", "small", "--name", "small", "--quiet")
        self.sql("postgres", "DROP DATABASE small")
        info = json.loads(text(self.plugin, "repo", "info", "--format", "json", env=self.environment()))
        fill = ["cargo", "run", "--quiet", "-p", "pgbackup-tests", "--example", "many_backups", "--"]
        run(*fill, info["path"], os.path.dirname(info["key_file"]), str(count - 1), cwd=root)
        listed = text(self.plugin, "list", "--quiet", env=self.environment()).splitlines()
        if len(listed) != count:
            sys.exit(f"{len(listed)} backups are listed, not {count}")
        seconds = statistics.median(self.timed(self.plugin, "list")[0] for _ in range(5))
        return (f"`list` of {count} backups", "<= 0.2 s", f"{seconds:.2f} s")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--copies", type=int, default=3)
    arguments.add_argument("--list", type=int, default=1000, help="how many backups `list` is measured with; 0 leaves it out")
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(root, "target"))
    arguments.add_argument("--plugin", default=os.path.join(target, "release", "docker-pgbackup"))
    bench = Bench(arguments.parse_args())
    try:
        bench.archive()
        bench.measure()
    finally:
        bench.remove()
        shutil.rmtree(bench.home, ignore_errors=True)


main()
