"""The rules that Docker's bridge driver writes, as before version 28 ("old") and with its raw table ("new"), for a port
published on every address (8080) and one published on 127.0.0.1 (8081). The policy of INPUT is to drop."""

import json
import subprocess
import sys

from world import LOOPGATE, facts, join, namespace, report, run, start

RAW = """*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8081 -j DROP
COMMIT
"""
RULES = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:81
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 81 -j ACCEPT
COMMIT
"""
SERVER = """
import socket, time
servers = []
for port in (80, 81):
    server = socket.socket()
    server.bind(("0.0.0.0", port))
    server.listen(64)
    servers.append(server)
print("ready", flush=True)
time.sleep(600)
"""
PEER = "10.9.0.7"


def neighbour():
    """A peer on the same link that sends packets for 127.0.0.1 to the machine, as anybody there can."""
    pid, inside = namespace()
    join("eth0", pid, "far0")
    run("ip", "address", "add", "10.9.0.1/24", "dev", "eth0")
    for words in (
        "link set far0 up",
        f"address add {PEER}/24 dev far0",
        "route add default via 10.9.0.1",
        "address flush dev lo",
        f"route add 127.0.0.1/32 via 10.9.0.1 dev far0 src {PEER}",
    ):
        run(*inside, "ip", *words.split())
    run(*inside, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet")
    return inside


def container():
    pid, inside = namespace()
    for words in ("link add docker0 type bridge", "address add 172.17.0.1/16 dev docker0", "link set docker0 up"):
        run("ip", *words.split())
    join("veth0", pid, "inner0")
    run("ip", "link", "set", "veth0", "master", "docker0")
    for words in ("link set inner0 up", "address add 172.17.0.2/16 dev inner0", "route add default via 172.17.0.1"):
        run(*inside, "ip", *words.split())
    server = start(*inside, sys.executable, "-c", SERVER)
    server.stdout.readline()


def told(address, port):
    """What loopgate says of packets of the peer."""
    answer = run(LOOPGATE, "reach", f"tcp/{port}", "--on", address, "--in", "eth0", "--from", PEER, "--format", "json")
    [way] = json.loads(answer.stdout)["ways"]
    [region] = way["reachability"]
    return region["verdict"]


def main(age):
    inside = neighbour()
    container()
    run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    run("iptables-nft-restore", input=RULES if age == "old" else RAW + RULES)
    endpoints = [("10.9.0.1", 8080), ("127.0.0.1", 8080), ("127.0.0.1", 8081), ("172.17.0.2", 80), ("172.17.0.2", 81),
                 ("10.9.0.1", 8081), ("172.17.0.1", 8080)]
    probes = [(PEER, address, port, told(address, port)) for address, port in endpoints]
    published = [(listener["id"], listener["published"]["target"], listener["published"]["interface"])
                 for listener in facts()["listeners"] if listener["origin"] == "published-port"]
    reach = run(LOOPGATE, "reach", "tcp/8080", "--in", "eth0", "--on", "10.9.0.1", "--from", PEER).stdout
    check = json.loads(run(LOOPGATE, "check", "--format", "json", check=False).stdout)
    findings = [(finding["rule"], finding["subject"]["name"]) for finding in check["findings"]]
    report(inside, probes, published=published, reach=reach, findings=findings)


try:
    main(sys.argv[2])
except subprocess.CalledProcessError as error:
    raise SystemExit(f"{error.cmd}: {error.stdout}{error.stderr}") from error
