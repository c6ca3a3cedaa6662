#!/usr/bin/env python3
"""corrupt.py BINARY [--seed N] [--rounds N] [--only KIND] [--verbose] - damage to any file of a root is told, or does not matter.

A root with everything in it is made, one file of it is damaged (a flipped bit, a cut, zeros, bytes of its own
moved, deleted), then the second delivery is run.  What may happen: the run refuses with an exit code of 4, 5 or 6, a
message that names the place, and a hint; or it goes on and the tables are those of an undamaged root; or they are
not, and verify says so.  A wrong table that verify lets pass, an exit code of 70, a signal, or a message
without a remedy is a failure.
"""
import argparse, os, random, shutil, subprocess, sys, tempfile

PIPELINE = """
CREATE SOURCE s (id BIGINT, k TEXT, day DATE, v DOUBLE, ts TIMESTAMPTZ) FROM 'in/' FORMAT JSON
  WATERMARK ts DELAY OF INTERVAL 1 MINUTE;
CREATE SOURCE dim (k TEXT, name TEXT) FROM 'dim.csv' FORMAT CSV SNAPSHOT;
CREATE STREAMING TABLE b.t (CONSTRAINT positive EXPECT (v > 0) ON VIOLATION QUARANTINE)
  PARTITIONED BY (day) DEDUPLICATE ON (id)
  AS SELECT s.*, d.name FROM STREAM s AS s LEFT JOIN dim AS d USING (k);
CREATE MATERIALIZED VIEW g.sums PRIMARY KEY (k, day) PARTITIONED BY (day) AS
  SELECT k, day, count(*) AS n, sum(v) AS total FROM STREAM b.t GROUP BY k, day;
CREATE MATERIALIZED VIEW g.medians AS SELECT k, median(v) AS m FROM STREAM b.t GROUP BY k;
CREATE MATERIALIZED VIEW g.days AS SELECT day, sum(total) AS total FROM g.sums GROUP BY day;
CREATE FLOW f AS AUTO CDC INTO g.dims FROM dim KEYS (k) STORED AS SCD TYPE 2;
PUBLISH g.sums TO 'sqlite:serving.db' PRIMARY KEY ((k), day DESC);
"""
DUMP = ["SELECT * FROM b.t ORDER BY ALL", "SELECT * FROM g.sums ORDER BY ALL", "SELECT * FROM g.medians ORDER BY ALL",
        "SELECT * FROM g.days ORDER BY ALL", "SELECT k, name FROM g.dims ORDER BY ALL",
        "SELECT reasons, record FROM quarantine.b_t ORDER BY ALL"]


class Room:
    def __init__(self, binary):
        self.binary = os.path.realpath(binary)
        self.top = tempfile.mkdtemp(prefix="raudal-corrupt-")
        self.dir = os.path.join(self.top, "p")
        self.root = os.path.join(self.dir, ".raudal")

    def raudal(self, *args):
        r = subprocess.run([self.binary, args[0], self.dir, *args[1:]], capture_output=True, text=True, errors="replace",
                           timeout=120)
        return r.returncode, r.stdout, r.stderr

    def run(self):
        return self.raudal("run", "--once", "--log-level", "error", "--set", "max_files_per_epoch=1",
                           "--set", "journal_max_bytes=4000", "--set", "lake_compact_files=3")

    def deliver(self, batch):
        rng = random.Random(batch)
        os.makedirs(os.path.join(self.dir, "in"), exist_ok=True)
        for i in range(5):
            with open(os.path.join(self.dir, "in", f"{batch}-{i}.json"), "w") as f:
                for j in range(40):
                    n = batch * 1000 + i * 40 + j - rng.randrange(60)
                    f.write('{"id":%d,"k":"%s","day":"2026-01-0%d","v":%s,"ts":"2026-01-0%dT00:00:00Z"}\n'
                            % (n, "abcdef"[n % 6], n % 3 + 1, -1 if n % 17 == 0 else n / 8, n % 3 + 1))
        with open(os.path.join(self.dir, "dim.csv"), "w") as f:
            f.write("k,name\n" + "".join(f"{k},{k}{batch}\n" for k in "abcde"))

    def make(self):
        os.makedirs(self.dir)
        with open(os.path.join(self.dir, "p.sql"), "w") as f:
            f.write(PIPELINE)
        for batch in (1, 2, 3):
            self.deliver(batch)
            code, _, err = self.run()
            if code != 0:
                sys.exit(f"could not make the root: {err}")
        # A run that dies leaves sealed epochs that nothing applied yet, deltas, and a lock.
        self.deliver(4)
        env = dict(os.environ, RDL_FAULT="epoch.after_seal:4:kill")
        subprocess.run([self.binary, "run", self.dir, "--once", "--log-level", "error", "--set",
                        "max_files_per_epoch=1"], env=env, capture_output=True, timeout=120)
        self.deliver(5)
        shutil.copytree(self.dir, os.path.join(self.top, "start"), symlinks=True)

    def again(self):
        shutil.rmtree(self.dir)
        # copy2 keeps times; the content is what counts.
        shutil.copytree(os.path.join(self.top, "start"), self.dir, symlinks=True)

    def dump(self):
        out = []
        for sql in DUMP:
            code, text, err = self.raudal("sql", sql, "--format", "csv")
            out.append(text if code == 0 else f"exit {code}: {err}")
        return out


def kind_of(path):
    name = os.path.basename(path)
    if "/_delta_log/" in path:
        return ("log-checkpoint" if name.endswith(".checkpoint.parquet") else "log-copy" if name.startswith("_raudal")
                else "log-hint" if name == "_last_checkpoint" else "log")
    if "/lake/" in path:
        return "data"
    if "/journal-past/" in path:
        return "past"
    if "/epochs/" in path:
        return "delta" if name == "state.delta" else "segment"
    if "/snapshots/" in path:
        return "snapshot"
    if "/runs/" in path:
        return "run"
    return name


def damage(rng, path):
    how = rng.choice(["flip", "flip", "flip", "cut", "zeros", "move", "delete", "grow"])
    with open(path, "rb") as f:
        b = bytearray(f.read())
    if how == "delete" or not b:
        os.unlink(path)
        return "delete"
    at = rng.randrange(len(b))
    if how == "flip":
        b[at] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del b[at:]
    elif how == "zeros":
        n = min(len(b) - at, rng.choice([1, 8, 64, 4096]))
        b[at:at + n] = bytes(n)
    elif how == "move":
        n = min(len(b) - at, 64)
        to = rng.randrange(len(b) - n + 1)
        b[to:to + n] = b[at:at + n]
    else:
        b += b[:rng.randrange(1, 64)]
    with open(path, "wb") as f:
        f.write(b)
    return f"{how} at {at} of {len(b)}"


def judge(room, reference, verbose):
    code, _, err = room.run()
    if code != 0:
        if code not in (4, 5, 6):
            return f"the run ended with {code}: {err.strip()}"
        if "hint:" not in err:
            return f"a message without a remedy: {err.strip()}"
        return None, f"refused {code}: {err.strip().splitlines()[0][:150]}"
    found = room.dump()
    wrong = [DUMP[i] for i in range(len(DUMP)) if found[i] != reference[i]]
    code, out, err = room.raudal("verify")
    if code not in (0, 1, 5, 6):
        return f"verify ended with {code}: {err.strip()}"
    if wrong and code == 0:
        i = DUMP.index(wrong[0])
        return f"verify lets pass: {wrong[0]}: {found[i][:300]}"
    if wrong:
        return None, f"told by verify ({code})"
    return None, "did not matter" if code == 0 else f"verify says {code}: {(out + err).strip().splitlines()[-1][:150]}"


def main():
    a = argparse.ArgumentParser()
    a.add_argument("binary")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--rounds", type=int, default=2, help="damages per kind of file")
    a.add_argument("--only")
    a.add_argument("--verbose", action="store_true")
    a = a.parse_args()
    room, failed, cases = Room(a.binary), 0, 0
    try:
        room.make()
        paths = sorted(os.path.relpath(os.path.join(d, f), room.dir) for d, _, fs in os.walk(room.root) for f in fs)
        code, _, err = room.run()
        if code != 0:
            sys.exit(f"the undamaged run: {err}")
        reference = room.dump()
        if room.raudal("verify")[0] != 0:
            sys.exit("the undamaged root does not verify")
        kinds = {}
        for p in paths:
            kinds.setdefault(kind_of("/" + p), []).append(p)
        for kind in sorted(kinds):
            if a.only and a.only != kind:
                continue
            for n in range(a.rounds):
                rng = random.Random(f"{a.seed}/{kind}/{n}")
                room.again()
                path = rng.choice(kinds[kind])
                how = damage(rng, os.path.join(room.dir, path))
                verdict = judge(room, reference, a.verbose)
                cases += 1
                text = verdict if isinstance(verdict, str) else verdict[1] if verdict else ""
                bad = isinstance(verdict, str)
                failed += bad
                if bad or a.verbose:
                    print(f"{'FAIL' if bad else 'ok  '} {kind} {n}: {how} in {path}: {text}", flush=True)
    finally:
        shutil.rmtree(room.top, ignore_errors=True)
    print(f"{cases - failed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0)


main()
