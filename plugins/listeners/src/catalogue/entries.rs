//! The entries of the built-in catalogue.
//!
//! Executables and units are those of the upstream projects and of the Debian and RPM packages. A port is listed only
//! where few other programs use it: `8080` says nothing about who listens.

use loopgate_plugin::prelude::Severity::{Critical, High, Medium};

use super::{Service, Transport};

/// The built-in catalogue. Where two entries fit equally well, the first counts.
pub(crate) fn built_in() -> Vec<Service> {
    let groups: [fn() -> Vec<Service>; 12] = [
        containers,
        debuggers,
        development,
        stores,
        databases,
        messaging,
        machine_learning,
        administration,
        monitoring,
        desktops,
        files,
        classics,
    ];
    groups.iter().flat_map(|group| group()).collect()
}

const ROOT: &str = "gives root on this machine to whoever can connect";
const NO_PASSWORD: &str = "answers without a password unless one is set";
const RUNS_CODE: &str = "runs code for whoever can connect";
const GUESSING: &str = "lets anyone who can connect guess passwords";

fn containers() -> Vec<Service> {
    vec![
        Service::new("the Docker API", Critical, ROOT)
            .executables(&["dockerd"])
            .ports(&[2375])
            .except(&[2376, 2377, 4789, 7946])
            .even_on_loopback(Critical)
            .remedy(
                "Remove the `tcp://` entry from `hosts` in /etc/docker/daemon.json or from the command \
                 line of dockerd; reach a remote daemon with `DOCKER_HOST=ssh://user@host`.",
            )
            .see(&["moby PR #37299"]),
        Service::new(
            "the Docker API behind TLS",
            High,
            "is root on this machine for every client certificate it accepts",
        )
        .executables(&["dockerd"])
        .ports(&[2376])
        .only_there()
        .remedy("Reach the daemon with `DOCKER_HOST=ssh://user@host` instead of TCP."),
        Service::new("the Podman API", Critical, "gives the rights of its user to whoever can connect")
            .executables(&["podman"])
            .even_on_loopback(Critical)
            .remedy("Run `podman system service` on a Unix socket: `unix:///run/podman/podman.sock`."),
        Service::new("kubelet", High, "runs commands in every container of this node for a client it accepts")
            .executables(&["kubelet"])
            .ports(&[10250, 10255])
            .remedy(
                "Set `readOnlyPort: 0` and `authentication.anonymous.enabled: false` in the kubelet \
                 configuration, and let only the control plane reach 10250.",
            )
            .see(&["CVE-2020-8558"]),
        Service::new(
            "etcd",
            Critical,
            "holds every secret of a cluster and answers without credentials unless client certificates \
             are demanded",
        )
        .executables(&["etcd"])
        .units(&["etcd"])
        .ports(&[2379, 2380])
        .remedy(
            "Set `listen-client-urls: http://127.0.0.1:2379`, or demand client certificates with \
                 `client-cert-auth: true`.",
        ),
        Service::new("Portainer", High, "administers the container engine of this machine")
            .executables(&["portainer"])
            .ports(&[9443]),
        Service::new("a Docker registry", High, "lets anyone push and pull images unless it is given credentials")
            .units(&["docker-registry"]),
        Service::new("libvirt", Critical, ROOT)
            .executables(&["libvirtd", "virtproxyd"])
            .ports(&[16509, 16514])
            .only_there(),
    ]
}

fn debuggers() -> Vec<Service> {
    vec![
        Service::new("Chrome DevTools", Critical, "hands over every session and cookie of the browser")
            .options(&["--remote-debugging-port"])
            .ports(&[9222])
            .even_on_loopback(High)
            .remedy("Use `--remote-debugging-pipe` instead of `--remote-debugging-port`."),
        Service::new("a Node.js inspector", Critical, RUNS_CODE)
            .options(&["--inspect", "--inspect-brk", "--inspect-wait", "--inspect-port"])
            .ports(&[9229])
            .even_on_loopback(High)
            .remedy("Start node without `--inspect`, and with `--disable-sigusr1` in production."),
        Service::new("a Java debugger", Critical, RUNS_CODE)
            .options(&["-agentlib:jdwp", "-Xrunjdwp"])
            .ports(&[5005])
            .even_on_loopback(High)
            .remedy("Remove `-agentlib:jdwp` from the options of the virtual machine."),
        Service::new("Java remote management", Critical, RUNS_CODE)
            .options(&["-Dcom.sun.management.jmxremote.port"])
            .even_on_loopback(Medium)
            .remedy("Attach locally with `jcmd`, or set `com.sun.management.jmxremote.authenticate=true`."),
        Service::new("a Python debugger", Critical, RUNS_CODE)
            .words(&["debugpy", "pydevd.py"])
            .ports(&[5678])
            .only_there()
            .even_on_loopback(High),
        Service::new("a native debugger", Critical, RUNS_CODE)
            .executables(&["gdbserver", "lldb-server", "dlv"])
            .even_on_loopback(High)
            .remedy("Give the debugger a Unix socket or standard input instead of a port."),
        Service::new("WebDriver", Critical, "drives a browser, and through it the machine, for whoever can connect")
            .executables(&["chromedriver", "geckodriver"])
            .words(&["selenium-server.jar", "org.openqa.grid.selenium.GridLauncherV3"])
            .ports(&[9515])
            .even_on_loopback(Medium),
        Service::new("MCP Inspector", Critical, "starts any command that a request names")
            .words(&["mcp-inspector", "inspector/server/build/index.js", "inspector/client/bin/client.js"])
            .ports(&[6274, 6277])
            .even_on_loopback(High)
            .remedy("Upgrade to 0.14.1 or later, keep its token on, and stop it after use.")
            .see(&["CVE-2025-49596"]),
        Service::new("the Android debug bridge", Critical, "controls every attached device")
            .executables(&["adb", "adbd"])
            .ports(&[5037, 5555]),
    ]
}

fn development() -> Vec<Service> {
    vec![
        Service::new("a development server", High, "serves the sources of a project to whoever can connect")
            .words(&[
                "vite",
                "vite.js",
                "webpack-dev-server",
                "webpack-dev-server.js",
                "react-scripts",
                "ng",
                "runserver",
                "flask",
            ])
            .ports(&[5173])
            .remedy(
                "Bind it to localhost: `vite --host localhost`, `flask run --host 127.0.0.1`, `runserver \
                 127.0.0.1:8000`.",
            )
            .see(&["CVE-2025-24010"]),
        Service::new("Python's http.server", High, "serves its folder to whoever can connect")
            .words(&["http.server", "SimpleHTTPServer"])
            .remedy("Start it as `python3 -m http.server --bind 127.0.0.1`."),
        Service::new("distcc", Critical, RUNS_CODE).executables(&["distccd"]).ports(&[3632]),
        Service::new("Jenkins", High, "runs code for its users").words(&["jenkins.war"]).units(&["jenkins"]),
    ]
}

fn stores() -> Vec<Service> {
    vec![
        Service::new("Redis", Critical, NO_PASSWORD)
            .executables(&[
                "redis-server",
                "redis-sentinel",
                "valkey-server",
                "valkey-sentinel",
                "keydb-server",
                "dragonfly",
            ])
            .units(&["redis", "redis-server", "valkey", "valkey-server", "keydb-server"])
            .ports(&[6379, 26379])
            .remedy(
                "Set `bind 127.0.0.1 -::1` in redis.conf. Protected mode does not help: an explicit \
                 `bind` switches it off.",
            ),
        Service::new("memcached", Critical, "has no authentication, and over UDP amplifies attacks on others")
            .executables(&["memcached"])
            .units(&["memcached"])
            .ports(&[11211])
            .over(Transport::Any)
            .remedy("Set `-l 127.0.0.1,::1` and `-U 0` in /etc/memcached.conf."),
        Service::new("MongoDB", Critical, NO_PASSWORD)
            .executables(&["mongod", "mongos"])
            .units(&["mongod", "mongodb", "mongos"])
            .ports(&[27017, 27018, 27019, 28017])
            .remedy("Set `net.bindIp: localhost` and `security.authorization: enabled` in /etc/mongod.conf.")
            .see(&["MongoDB ransom campaigns of December 2016 and September 2017"]),
        Service::new("Elasticsearch", Critical, NO_PASSWORD)
            .words(&["org.elasticsearch.bootstrap.Elasticsearch", "org.opensearch.bootstrap.OpenSearch"])
            .units(&["elasticsearch", "opensearch"])
            .ports(&[9200, 9300])
            .remedy("Set `network.host: _local_` and `xpack.security.enabled: true` in elasticsearch.yml."),
        Service::new("Cassandra", Critical, NO_PASSWORD)
            .words(&["org.apache.cassandra.service.CassandraDaemon"])
            .executables(&["scylla"])
            .units(&["cassandra", "scylla-server"])
            .ports(&[9042]),
        Service::new("Solr", Critical, NO_PASSWORD).units(&["solr"]).ports(&[8983]),
        Service::new("CouchDB", High, GUESSING).units(&["couchdb"]).ports(&[5984]),
        Service::new("InfluxDB", High, NO_PASSWORD)
            .executables(&["influxd", "influxdb3"])
            .units(&["influxdb"])
            .ports(&[8086]),
    ]
}

fn databases() -> Vec<Service> {
    vec![
        Service::new("PostgreSQL", High, GUESSING)
            .executables(&["postgres", "postmaster"])
            .units(&["postgresql"])
            .ports(&[5432])
            .remedy("Set `listen_addresses = 'localhost'` in postgresql.conf."),
        Service::new("MySQL", High, GUESSING)
            .executables(&["mysqld", "mariadbd"])
            .units(&["mysql", "mysqld", "mariadb"])
            .ports(&[3306, 33060])
            .remedy("Set `bind-address = 127.0.0.1` and `mysqlx-bind-address = 127.0.0.1` under `[mysqld]`."),
        Service::new("ClickHouse", High, "lets the user `default` in without a password")
            .executables(&["clickhouse", "clickhouse-server"])
            .units(&["clickhouse-server"])
            .ports(&[8123])
            .remedy("Set `<listen_host>127.0.0.1</listen_host>` in config.xml."),
        Service::new("Neo4j", High, GUESSING).units(&["neo4j"]).ports(&[7474, 7687]),
        Service::new("Microsoft SQL Server", High, GUESSING).executables(&["sqlservr"]).ports(&[1433]),
        Service::new("an Oracle listener", High, GUESSING).executables(&["tnslsnr"]).ports(&[1521]),
        Service::new("CockroachDB", High, GUESSING).executables(&["cockroach"]).ports(&[26257]),
    ]
}

fn messaging() -> Vec<Service> {
    vec![
        Service::new("RabbitMQ", High, GUESSING)
            .words(&["rabbit_prelaunch"])
            .units(&["rabbitmq-server"])
            .ports(&[5672, 15672, 25672])
            .remedy("Set `listeners.tcp.default = 127.0.0.1:5672` in rabbitmq.conf."),
        Service::new("the Erlang port mapper", Medium, "tells where the nodes of this machine listen")
            .executables(&["epmd"])
            .ports(&[4369])
            .remedy("Set `ERL_EPMD_ADDRESS=127.0.0.1`."),
        Service::new("Kafka", Critical, NO_PASSWORD)
            .words(&["kafka.Kafka"])
            .units(&["kafka"])
            .ports(&[9092])
            .remedy("Set `listeners=PLAINTEXT://127.0.0.1:9092` in server.properties."),
        Service::new("ZooKeeper", Critical, NO_PASSWORD)
            .words(&["org.apache.zookeeper.server.quorum.QuorumPeerMain"])
            .units(&["zookeeper"])
            .ports(&[2181])
            .remedy("Set `clientPortAddress=127.0.0.1` in zoo.cfg."),
        Service::new("NATS", High, NO_PASSWORD).executables(&["nats-server"]).ports(&[4222, 8222]),
        Service::new("Mosquitto", High, "lets anonymous clients in if `allow_anonymous` is set")
            .executables(&["mosquitto"])
            .ports(&[1883])
            .remedy("Write `listener 1883 127.0.0.1` in mosquitto.conf."),
        Service::new("a mail transfer agent", Medium, "takes mail from other machines")
            .executables(&["exim4", "exim", "sendmail", "sendmail-mta", "opensmtpd", "smtpd"])
            .units(&["postfix", "exim4", "sendmail"])
            .ports(&[25, 465, 587])
            .only_there()
            .remedy(
                "Postfix: `inet_interfaces = loopback-only` in main.cf. Exim: `dc_local_interfaces='127.0.0.1 ; ::1'`.",
            )
            .see(&["CIS Debian 12 2.1.21"]),
    ]
}

fn machine_learning() -> Vec<Service> {
    vec![
        Service::new("Jupyter", Critical, "runs code for whoever has, or guesses, its token")
            .executables(&["jupyter-lab", "jupyter-notebook", "jupyter-server", "jupyterhub"])
            .words(&["jupyter-lab", "jupyter-notebook", "jupyter-server", "jupyterhub", "jupyterlab", "notebook"])
            .ports(&[8888])
            .remedy("Set `c.ServerApp.ip = 'localhost'`, and reach it with `ssh -L 8888:localhost:8888`."),
        Service::new("Ray", Critical, RUNS_CODE)
            .executables(&["raylet", "gcs_server"])
            .words(&[
                "ray/dashboard/dashboard.py",
                "ray/dashboard/agent.py",
                "ray/util/client/server",
                "ray.util.client.server",
            ])
            .ports(&[8265, 10001])
            .remedy("Start it with `--dashboard-host=127.0.0.1` and `--node-ip-address=127.0.0.1`.")
            .see(&["CVE-2023-48022 (ShadowRay)", "CVE-2026-27482"]),
        Service::new("Ollama", Critical, "has no authentication")
            .executables(&["ollama"])
            .units(&["ollama"])
            .ports(&[11434])
            .remedy("Set `OLLAMA_HOST=127.0.0.1:11434`, with `systemctl edit ollama` where systemd runs it.")
            .see(&["CVE-2024-37032"]),
        Service::new("MLflow", Critical, "has no authentication and has run code for strangers")
            .words(&["mlflow", "mlflow.server:app", "mlflow.server.fastapi_app:app"])
            .remedy("Start it with `mlflow server --host 127.0.0.1`."),
        Service::new("TensorBoard", High, "shows the data of experiments without a password")
            .words(&["tensorboard", "tensorboard.main"])
            .ports(&[6006])
            .remedy("Start it without `--bind_all`."),
        Service::new("a model server", High, "answers without a password")
            .executables(&["llama-server", "tritonserver", "text-generation-launcher", "local-ai"])
            .words(&[
                "vllm",
                "vllm.entrypoints.openai.api_server",
                "org.pytorch.serve.ModelServer",
                "sglang.launch_server",
            ])
            .ports(&[1234])
            .remedy("Start it with `--host 127.0.0.1`."),
        Service::new("ComfyUI", Critical, "runs code for whoever can connect, through its nodes")
            .words(&["ComfyUI/main.py"])
            .ports(&[8188]),
        Service::new("Gradio or Streamlit", High, "serves an application without a password")
            .words(&["streamlit", "gradio"])
            .ports(&[7860, 8501]),
        Service::new("Spark", Critical, RUNS_CODE)
            .words(&["org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"])
            .ports(&[7077]),
        Service::new("Hadoop", Critical, RUNS_CODE)
            .words(&[
                "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
                "org.apache.hadoop.hdfs.server.namenode.NameNode",
            ])
            .ports(&[8088, 9870, 50070]),
    ]
}

fn administration() -> Vec<Service> {
    vec![
        Service::new("Consul", Critical, "runs checks that are commands, without a token unless access control is on")
            .executables(&["consul"])
            .ports(&[8500])
            .over(Transport::Any)
            .remedy("Set `client_addr = \"127.0.0.1\"`."),
        Service::new("Nomad", Critical, RUNS_CODE).executables(&["nomad"]).ports(&[4646]),
        Service::new("Vault", High, "holds secrets").executables(&["vault", "bao"]).ports(&[8200]),
        Service::new("a Salt master", Critical, "commands every machine that trusts it")
            .executables(&["salt-master"])
            .words(&["salt-master"])
            .ports(&[4505, 4506])
            .see(&["CVE-2020-11651"]),
        Service::new("a web terminal", Critical, "is a shell on this machine")
            .executables(&["ttyd", "gotty", "shellinaboxd"])
            .words(&["wetty", "code-server"])
            .ports(&[7681]),
        Service::new("Webmin", High, GUESSING).units(&["webmin"]).ports(&[10000]),
        Service::new("Cockpit", High, GUESSING).executables(&["cockpit-ws", "cockpit-tls"]).units(&["cockpit"]),
        Service::new("a proxy", High, "may forward for strangers, to loopback as well")
            .executables(&["squid", "privoxy", "tinyproxy", "tor", "danted", "sockd", "microsocks", "3proxy"])
            .ports(&[1080, 3128, 8118, 9050]),
    ]
}

fn monitoring() -> Vec<Service> {
    vec![
        Service::new("Prometheus", Medium, "shows the inside of what it watches without a password")
            .executables(&["prometheus", "alertmanager", "prometheus-node-exporter", "node_exporter", "pushgateway"])
            .units(&["prometheus*"])
            .ports(&[9090, 9093, 9100])
            .over(Transport::Any)
            .remedy("Start it with `--web.listen-address=127.0.0.1:9090`."),
        Service::new("Grafana", Medium, GUESSING)
            .executables(&["grafana", "grafana-server"])
            .units(&["grafana-server"])
            .remedy("Set `http_addr = 127.0.0.1` under `[server]` in grafana.ini."),
        Service::new("Kibana", High, NO_PASSWORD).units(&["kibana", "opensearch-dashboards"]).ports(&[5601]),
        Service::new("an SNMP agent", Medium, "answers to a community string that travels in clear text")
            .executables(&["snmpd"])
            .ports(&[161])
            .over(Transport::Any)
            .remedy("Set `agentaddress 127.0.0.1,[::1]` in snmpd.conf."),
        Service::new("a syslog receiver", Medium, "writes what strangers send into the logs")
            .executables(&["rsyslogd", "syslog-ng"])
            .ports(&[514, 601])
            .over(Transport::Any),
    ]
}

fn desktops() -> Vec<Service> {
    vec![
        Service::new("X11", Critical, "shows the screen and takes keystrokes")
            .executables(&["Xorg", "Xwayland", "X"])
            .ports(&[6000, 6001, 6002, 6003, 6010, 6011])
            .remedy("Start the server with `-nolisten tcp`; set `X11UseLocalhost yes` in sshd_config."),
        Service::new("a remote desktop", High, GUESSING)
            .executables(&[
                "Xvnc",
                "Xtigervnc",
                "Xtightvnc",
                "x11vnc",
                "x0vncserver",
                "vino-server",
                "wayvnc",
                "krfb",
                "xrdp",
                "gnome-remote-de*",
            ])
            .ports(&[5900, 5901, 5902, 5903, 3389])
            .remedy("Start the VNC server with `-localhost`, and reach it with `ssh -L 5901:localhost:5901`."),
        Service::new("CUPS", Medium, "prints and can be administered")
            .executables(&["cupsd"])
            .ports(&[631])
            .remedy("Set `Listen localhost:631` in cupsd.conf."),
        Service::new("cups-browsed", High, "takes printers from strangers, and with them commands")
            .executables(&["cups-browsed"])
            .units(&["cups-browsed"])
            .ports(&[631])
            .over(Transport::Udp)
            .remedy("`systemctl disable --now cups-browsed`, or `BrowseRemoteProtocols none` in cups-browsed.conf.")
            .see(&["CVE-2024-47176"]),
    ]
}

fn files() -> Vec<Service> {
    vec![
        Service::new("NFS", High, "trusts the user ids that clients claim")
            .executables(&["rpc.mountd", "rpc.nfsd"])
            .ports(&[2049])
            .over(Transport::Any),
        Service::new("Samba", High, GUESSING).executables(&["smbd", "samba"]).ports(&[139, 445]),
        Service::new("an rsync daemon", High, "serves its modules without a password unless one is set")
            .executables(&["rsync"])
            .ports(&[873])
            .remedy("Set `address = 127.0.0.1` in rsyncd.conf, or use rsync over SSH."),
        Service::new("an FTP server", High, "sends passwords in clear text")
            .executables(&["vsftpd", "proftpd", "pure-ftpd"])
            .ports(&[21]),
        Service::new("a TFTP server", High, "has no authentication")
            .executables(&["in.tftpd", "tftpd"])
            .ports(&[69])
            .over(Transport::Udp),
    ]
}

fn classics() -> Vec<Service> {
    vec![
        Service::new("rpcbind", Medium, "tells which RPC services run, and over UDP amplifies attacks on others")
            .executables(&["rpcbind", "portmap"])
            .units(&["rpcbind"])
            .ports(&[111])
            .over(Transport::Any)
            .remedy("`systemctl disable --now rpcbind.socket rpcbind.service`, unless NFS 3 needs it."),
        Service::new("an LDAP server", Medium, "answers anonymous searches unless told not to")
            .executables(&["slapd", "ns-slapd"])
            .ports(&[389])
            .over(Transport::Any),
        Service::new("a DNS resolver", Medium, "amplifies attacks on others if it answers everyone")
            .executables(&["dnsmasq", "unbound", "named", "pdns_recursor"])
            .ports(&[53])
            .only_there()
            .over(Transport::Any),
        Service::new("a clear-text login", Critical, "sends passwords in clear text")
            .executables(&["in.telnetd", "telnetd", "in.rlogind", "in.rshd", "in.rexecd"])
            .ports(&[23, 512, 513, 514]),
    ]
}
