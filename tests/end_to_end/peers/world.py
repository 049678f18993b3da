"""A machine with a peer in a network namespace of its own, for tests that compare verdicts with real connections.

Runs as root of the namespaces that the test made. Every process that is started ends with this one.
"""

import atexit
import ipaddress
import json
import subprocess
import sys

LOOPGATE = sys.argv[1]


def run(*command, **options):
    options.setdefault("check", True)
    return subprocess.run(command, capture_output=True, text=True, **options)


def start(*command, **options):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    atexit.register(process.kill)
    return process


def namespace():
    """The words before a command that run it in a new network namespace, with its loopback device up."""
    process = start("unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec sleep 600")
    process.stdout.readline()
    return process.pid, ["nsenter", "--target", str(process.pid), "--net"]


def join(near, pid, far):
    """A cable from a device here to one in another namespace."""
    run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
    run("ip", "link", "set", far, "netns", str(pid))
    run("ip", "link", "set", near, "up")


def facts():
    return json.loads(run(LOOPGATE, "facts").stdout)


def verdict(regions, source):
    """The verdict of the region that holds a source."""
    address = ipaddress.ip_address(source)
    def among(prefixes):
        return any(address in ipaddress.ip_network(prefix) for prefix in prefixes)
    holding = [region for region in regions if among(region["sources"]) and not among(region["excluded_sources"])]
    assert len(holding) == 1, f"{source} is in {len(holding)} regions"
    return holding[0]["verdict"]


CONNECT = """
import json, select, socket, sys, time
told = [tuple(probe) for probe in json.loads(sys.argv[1])]
sockets = []
for source, address, port, verdict in told:
    client = socket.socket()
    client.setblocking(False)
    client.bind((source, 0))
    client.connect_ex((address, port))
    sockets.append(client)
def connected(client):
    try:
        client.getpeername()
        return True
    except OSError:
        return False
# What should arrive has as long as it needs; what should not has had as long as that, and at least half a second.
begin = time.monotonic()
while time.monotonic() < begin + 20:
    select.select([], [], [], 0.1)
    missing = [1 for client, probe in zip(sockets, told) if probe[3] == "reachable" and not connected(client)]
    if not missing and time.monotonic() > begin + 0.5:
        break
print(json.dumps([connected(client) for client in sockets]))
"""


def connect(inside, probes):
    """Which of (source, address, port, told verdict) connect, tried from within a namespace."""
    return json.loads(run(*inside, sys.executable, "-c", CONNECT, json.dumps(probes)).stdout)


def report(inside, probes, **more):
    """Prints what was told and what is real."""
    real = connect(inside, probes)
    told = [dict(source=source, address=address, port=port, told=told, connects=connects)
            for (source, address, port, told), connects in zip(probes, real)]
    print(json.dumps(dict(probes=told, **more)))
