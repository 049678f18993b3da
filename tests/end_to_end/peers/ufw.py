"""ufw with rules of every kind, 50 listeners and 20 sources. Needs a mount namespace of its own."""

import atexit
import shutil
import socket
import subprocess
import tempfile

from world import LOOPGATE, facts, join, namespace, report, run, verdict

RULES = [
    "default deny incoming",
    "allow 2000",
    "allow 2001/tcp",
    "limit 2002/tcp",
    "deny 2003",
    "reject 2004",
    "allow from 10.9.1.0/24 to any port 2005",
    "allow from 192.168.1.9 to any port 2006 proto tcp",
    "deny from 10.9.2.7 to any port 2007",
    "allow 2007",
    "allow in on eth0 to any port 2008 proto tcp",
    "allow in on eth9 to any port 2009 proto tcp",
    "allow 2010:2014/tcp",
    "allow proto tcp from 203.0.113.0/30 to 10.9.0.1 port 2015,2016",
    "deny from 10.9.3.0/24",
    "allow from 10.9.3.0/24 to any port 2017",
]
PORTS = range(2000, 2050)
SOURCES = (
    [f"10.9.{number}.7" for number in range(10)]
    + [f"192.168.{number}.9" for number in range(5)]
    + [f"203.0.113.{number}" for number in range(1, 6)]
)


def own_configuration():
    """ufw writes to /etc: it gets copies that are seen in this mount namespace only."""
    copies = tempfile.mkdtemp(prefix="loopgate-ufw-")
    atexit.register(shutil.rmtree, copies, ignore_errors=True)
    for folder in ("ufw", "default"):
        shutil.copytree(f"/etc/{folder}", f"{copies}/{folder}")
        run("mount", "--bind", f"{copies}/{folder}", f"/etc/{folder}")
    run("mount", "-t", "tmpfs", "none", "/run")


def listen(port):
    listener = socket.socket()
    listener.bind(("0.0.0.0", port))
    listener.listen(64)
    return listener


def main():
    own_configuration()
    pid, inside = namespace()
    join("eth0", pid, "far0")
    run("ip", "address", "add", "10.9.0.1/16", "dev", "eth0")
    run(*inside, "ip", "link", "set", "far0", "up")
    for source in SOURCES:
        run(*inside, "ip", "address", "add", f"{source}/32", "dev", "far0")
    run(*inside, "ip", "route", "add", "10.9.0.1/32", "dev", "far0")
    run("ip", "route", "add", "default", "via", SOURCES[0])
    for rule in RULES:
        run("ufw", *rule.split())
    run("ufw", "--force", "enable")
    listeners = [listen(port) for port in PORTS]
    probes = []
    for listener in facts()["listeners"]:
        regions = [region for region in listener["reachability"]
                   if "eth0" in region["interfaces"] and "10.9.0.1" in region["destinations"]]
        probes += [(source, "10.9.0.1", listener["port"], verdict(regions, source)) for source in SOURCES]
    reach = run(LOOPGATE, "reach", "tcp/5432", "--in", "eth0", "--on", "10.9.0.1").stdout
    table = run(LOOPGATE, "listeners").stdout
    report(inside, probes, reach=reach, listeners=table)
    del listeners


try:
    main()
except subprocess.CalledProcessError as error:
    raise SystemExit(f"{error.cmd}: {error.stdout}{error.stderr}") from error
