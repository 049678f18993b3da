"""Large rulesets for `tools/bench`, in the shape that kube-proxy gives them: a service is a chain, and so is an endpoint."""

SERVICES = 8_000  # six rules each with nft, seven with iptables: some 50,000
NODE_PORTS = 200
BLOCKED = 100_000


def addresses(service):
    """A cluster address, a port, and two endpoints."""
    high, low = divmod(service, 250)
    port = (80, 443, 8080, 9090, 53)[service % 5]
    return f"10.96.{high}.{low + 1}", port, f"10.244.{high}.{low + 1}", f"10.245.{high}.{low + 1}"


def nft():
    """The ruleset as `nft -f` takes it, as parts that load one after the other."""
    yield HEAD
    chunk = 1_000
    for first in range(0, SERVICES, chunk):
        services = range(first, first + chunk)
        chains = "\n".join(nft_service(service) for service in services)
        ports = "\n".join(nft_elements(service) for service in services)
        yield f"table ip kube-proxy {{\n{chains}\n}}\n{ports}\n"


HEAD = """
table ip kube-proxy {
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  map service-nodeports { type inet_proto . inet_service : verdict; }
  chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports
  }
  chain nodeports { tcp dport 12345 drop; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain filter-input { type filter hook input priority -110; ct state new jump nodeports; }
}
"""


def nft_service(service):
    address, port, *endpoints = addresses(service)
    chains = [
        f"chain endpoint-{service}-{number} {{\n ip saddr {endpoint} jump mark-for-masquerade\n"
        f" meta l4proto tcp dnat to {endpoint}:8080\n}}"
        for number, endpoint in enumerate(endpoints)
    ]
    ways = ", ".join(f"{number} : goto endpoint-{service}-{number}" for number in range(len(endpoints)))
    jump = f"ip daddr {address} tcp dport {port} ip saddr != 10.244.0.0/16 jump mark-for-masquerade"
    return "\n".join([*chains, f"chain service-{service} {{\n {jump}\n numgen random mod 2 vmap {{ {ways} }}\n}}"])


def nft_elements(service):
    address, port, *_ = addresses(service)
    lines = [f"add element ip kube-proxy service-ips {{ {address} . tcp . {port} : goto service-{service} }}"]
    if service < NODE_PORTS:
        lines.append(f"add element ip kube-proxy service-nodeports {{ tcp . {30000 + service} : goto service-{service} }}")
    return "\n".join(lines)


def iptables():
    """The ruleset as `iptables-nft-restore` takes it."""
    chains = [":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":KUBE-SERVICES - [0:0]"]
    chains += [":KUBE-MARK-MASQ - [0:0]", ":KUBE-NODEPORTS - [0:0]"]
    rules = ["-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES"]
    rules += ["-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000"]
    for service in range(SERVICES):
        chains += [f":KUBE-{kind}-{service} - [0:0]" for kind in ("SVC", "SEPA", "SEPB")]
        rules += iptables_service(service)
    rules += ["-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"]
    yield "\n".join(["*nat", *chains, *rules, "COMMIT", ""])


def iptables_service(service):
    address, port, *endpoints = addresses(service)
    comment = f'-m comment --comment "ns/svc-{service}"'
    yield f"-A KUBE-SERVICES -d {address}/32 -p tcp {comment} -m tcp --dport {port} -j KUBE-SVC-{service}"
    yield f"-A KUBE-SVC-{service} {comment} -m statistic --mode random --probability 0.5 -j KUBE-SEPA-{service}"
    yield f"-A KUBE-SVC-{service} {comment} -j KUBE-SEPB-{service}"
    for kind, endpoint in zip(("SEPA", "SEPB"), endpoints):
        yield f"-A KUBE-{kind}-{service} -s {endpoint}/32 -j KUBE-MARK-MASQ"
        yield f"-A KUBE-{kind}-{service} -p tcp -m tcp -j DNAT --to-destination {endpoint}:8080"
    if service < NODE_PORTS:
        yield f"-A KUBE-NODEPORTS -p tcp -m tcp --dport {30000 + service} -j KUBE-SVC-{service}"


def blocked():
    """A set of blocked addresses, and a rule that asks it."""
    yield (
        "table inet filter {\n set blocked { type ipv4_addr; flags interval; }\n"
        " chain input {\n  type filter hook input priority filter\n  ip saddr @blocked drop\n }\n}\n"
    )
    chunk = 10_000
    for first in range(0, BLOCKED, chunk):
        # Every other address, so that none join to an interval.
        numbers = (0x0B00_0000 + 2 * number for number in range(first, first + chunk))
        elements = ", ".join(".".join(str(byte) for byte in number.to_bytes(4, "big")) for number in numbers)
        yield f"add element inet filter blocked {{ {elements} }}\n"


RULESETS = {
    "50,000 rules with nft, as kube-proxy has them": (("nft", "-f", "-"), nft),
    "50,000 rules with iptables-nft, likewise": (("iptables-nft-restore", "--noflush"), iptables),
    "a set of 100,000 blocked addresses": (("nft", "-f", "-"), blocked),
}
