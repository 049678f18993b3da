use loopgate_parameters::{Parameters, parse};

use super::*;

struct Only(Selector);

impl Parameters for Only {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self(Selector::read(reader))
    }
}

fn selector(json: &str) -> Selector {
    parse::<Only>(json).unwrap().0
}

fn problems(json: &str) -> Vec<String> {
    let problems = parse::<Only>(json).err().unwrap();
    problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

fn nginx() -> Process<'static> {
    Process {
        pid: 812,
        executable: Some("/usr/sbin/nginx"),
        is_elsewhere: false,
        user: Some("www-data"),
        uid: Some(33),
        is_placed: true,
        unit: Some("nginx.service"),
        container: None,
    }
}

fn listener(owners: Vec<Process<'static>>) -> Candidate<'static> {
    Candidate {
        protocol: "tcp",
        address: [10, 0, 0, 5].into(),
        scope: "private",
        port: 443,
        ephemeral_ports: None,
        owners,
        may_have_more_owners: false,
        published_to: None,
    }
}

#[test]
fn what_hidden_processes_may_hold_is_selected_by_place_alone() {
    let shared = Candidate { may_have_more_owners: true, ..listener(vec![nginx()]) };
    is(r#"{"port": 443}"#, &shared, Match::Yes);
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &shared, Match::Unknown("whether it has more owners"));
    is(r#"{"executable": "/usr/sbin/apache2"}"#, &shared, Match::No);
}

#[track_caller]
fn is(json: &str, candidate: &Candidate<'_>, expected: Match) {
    assert_eq!(selector(json).matches(candidate), expected, "{json}");
}

#[test]
fn everything_that_is_given_must_match() {
    let candidate = listener(vec![nginx()]);
    for json in [
        r#"{"executable": "/usr/sbin/nginx"}"#,
        r#"{"executable": "**/nginx", "unit": "nginx.service", "user": "www-data", "protocol": "tcp", "port": 443}"#,
        r#"{"port": [80, "440-450"], "address": "10.0.0.0/8"}"#,
        r#"{"address": "private"}"#,
        r#"{"executable": ["/usr/sbin/apache2", "/usr/sbin/nginx"]}"#,
    ] {
        is(json, &candidate, Match::Yes);
    }
    for json in [
        r#"{"executable": "/usr/sbin/ngin"}"#,
        r#"{"executable": "/usr/sbin/nginx", "port": 80}"#,
        r#"{"executable": "/usr/sbin/nginx", "user": "root"}"#,
        r#"{"executable": "/usr/sbin/nginx", "protocol": "udp"}"#,
        r#"{"unit": "nginx"}"#,
        r#"{"address": "unspecified"}"#,
        r#"{"container": "*"}"#,
    ] {
        is(json, &candidate, Match::No);
    }
}

#[test]
fn whoever_else_holds_the_socket_must_match_too() {
    let stranger = Process { pid: 900, executable: Some("/tmp/x"), ..nginx() };
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &listener(vec![nginx(), stranger]), Match::No);
    let worker = Process { pid: 813, ..nginx() };
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &listener(vec![nginx(), worker]), Match::Yes);
}

#[test]
fn the_process_that_opens_sockets_for_others_counts_only_alone() {
    let init = Process { pid: 1, executable: Some("/usr/lib/systemd/systemd"), unit: Some("init.scope"), ..nginx() };
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &listener(vec![init, nginx()]), Match::Yes);
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &listener(vec![init]), Match::No);
    is(r#"{"executable": "/usr/lib/systemd/systemd"}"#, &listener(vec![init]), Match::Yes);
    let of_container = Process { executable: Some("/app/server"), ..init };
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &listener(vec![of_container, nginx()]), Match::No);
}

#[test]
fn what_was_not_seen_neither_matches_nor_fails_to() {
    let hidden = Process { executable: None, user: None, uid: None, is_placed: false, unit: None, ..nginx() };
    let unseen = listener(vec![hidden]);
    for json in [
        r#"{"executable": "/usr/sbin/nginx"}"#,
        r#"{"unit": "nginx.service"}"#,
        r#"{"user": "www-data"}"#,
        r#"{"container": "web"}"#,
    ] {
        assert!(matches!(selector(json).matches(&unseen), Match::Unknown(_)), "{json}");
        assert!(matches!(selector(json).matches(&listener(vec![])), Match::Unknown(_)), "{json}");
    }
    // The place is known, and another one: who owns it does not matter.
    is(r#"{"executable": "/usr/sbin/nginx", "port": 80}"#, &unseen, Match::No);
    is(r#"{"port": 443}"#, &unseen, Match::Yes);
    assert!(matches!(selector(r#"{"port": "ephemeral"}"#).matches(&unseen), Match::Unknown(_)));
}

/// Demand 15: an approval can be of the ephemeral range.
#[test]
fn ephemeral_ports_are_those_of_the_kernel() {
    let range = 32_768..=60_999;
    let candidate = |port| Candidate { port, ephemeral_ports: Some(&range), ..listener(vec![nginx()]) };
    is(r#"{"port": "ephemeral"}"#, &candidate(40_000), Match::Yes);
    is(r#"{"port": "ephemeral"}"#, &candidate(443), Match::No);
    is(r#"{"port": [443, "ephemeral"]}"#, &candidate(443), Match::Yes);
}

#[test]
fn a_container_is_selected_by_its_name_or_image_only() {
    let web = Container { name: Some("web"), image: Some("docker.io/library/nginx:1.27") };
    let inside = listener(vec![Process { container: Some(web), ..nginx() }]);
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &inside, Match::No);
    is(r#"{"user": "www-data"}"#, &inside, Match::No);
    is(r#"{"port": 443}"#, &inside, Match::Yes);
    is(r#"{"container": "web"}"#, &inside, Match::Yes);
    is(r#"{"image": "docker.io/library/nginx:*", "executable": "/usr/sbin/nginx"}"#, &inside, Match::Yes);
    is(r#"{"container": "web", "image": "docker.io/library/redis:*"}"#, &inside, Match::No);
    let nameless = listener(vec![Process { container: Some(Container { name: None, image: None }), ..nginx() }]);
    assert!(matches!(selector(r#"{"container": "web"}"#).matches(&nameless), Match::Unknown(_)));
}

#[test]
fn a_published_port_is_in_the_container_that_it_leads_to() {
    let web = Container { name: Some("web"), image: None };
    let proxy = Process { executable: Some("/usr/bin/docker-proxy"), ..nginx() };
    let published = Candidate { published_to: Some(web), ..listener(vec![proxy]) };
    is(r#"{"container": "web"}"#, &published, Match::Yes);
    is(r#"{"executable": "/usr/bin/docker-proxy"}"#, &published, Match::No);
    let unowned = Candidate { owners: vec![], ..published };
    is(r#"{"container": "web"}"#, &unowned, Match::Yes);
    is(r#"{"container": "db"}"#, &unowned, Match::No);
    assert!(matches!(selector(r#"{"container": "web", "user": "x"}"#).matches(&unowned), Match::Unknown(_)));
}

#[test]
fn a_path_in_a_file_system_of_its_own_is_nothing_to_go_by() {
    let disguised = Process { is_elsewhere: true, ..nginx() };
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &listener(vec![disguised]), Match::No);
    is(r#"{"user": "www-data"}"#, &listener(vec![disguised]), Match::Yes);
    let inside = Process { container: Some(Container { name: Some("web"), image: None }), ..disguised };
    is(r#"{"executable": "/usr/sbin/nginx", "container": "web"}"#, &listener(vec![inside]), Match::Yes);
}

#[test]
fn a_deleted_executable_is_the_one_that_was_there() {
    let upgraded = Process { executable: Some("/usr/sbin/nginx (deleted)"), ..nginx() };
    is(r#"{"executable": "/usr/sbin/nginx"}"#, &listener(vec![upgraded]), Match::Yes);
}

/// Demand 9: an approval of `127.0.0.1` is one of `::ffff:127.0.0.1`.
#[test]
fn a_mapped_address_is_the_one_that_is_mapped() {
    let mapped =
        Candidate { address: "::ffff:127.0.0.1".parse().unwrap(), scope: "loopback", ..listener(vec![nginx()]) };
    is(r#"{"address": "127.0.0.0/8"}"#, &mapped, Match::Yes);
    is(r#"{"address": "127.0.0.1"}"#, &mapped, Match::Yes);
}

#[test]
fn what_cannot_be_meant_is_a_problem_at_its_place() {
    assert_eq!(
        problems(r#"{"executable": "nginx", "port": ["90-80", 0, "x"], "address": "lo", "unit": "", "user": []}"#),
        [
            "/executable: expected a full path; for `nginx` in any folder write `**/nginx`",
            "/unit: expected a name, or a glob with `*`, `**` or `?`, found ``",
            "/user: an empty list selects nothing; leave it out to select everything",
            "/port/0: the range is upside down: 90 is above 80; write \"80-90\"",
            "/port/1: expected a port from 1 to 65535, a range such as \"8000-8010\", or \"ephemeral\", found 0",
            "/port/2: expected a port from 1 to 65535, a range such as \"8000-8010\", or \"ephemeral\", found `x`",
            "/address: expected an address, a network such as 10.0.0.0/8, or one of loopback, link-local, private, \
             shared, public, unspecified, multicast, found `lo`",
        ]
    );
}

#[test]
fn a_selector_reads_as_a_phrase() {
    let shown = |json: &str| selector(json).to_string();
    assert_eq!(
        shown(r#"{"executable": "/usr/sbin/nginx", "protocol": "tcp", "port": [80, 443]}"#),
        "/usr/sbin/nginx on tcp 80,443"
    );
    assert_eq!(shown(r#"{"port": "ephemeral"}"#), "anything on ephemeral");
    assert_eq!(shown(r#"{"user": "root"}"#), "user root");
    assert!(selector("{}").is_empty() && !selector(r#"{"port": 1}"#).is_empty());
}

#[test]
fn what_keeps_it_from_matching_is_named() {
    let differences = |json: &str| selector(json).differences(&listener(vec![nginx()]));
    assert_eq!(differences(r#"{"executable": "/usr/sbin/nginx", "address": "10.0.0.6"}"#), ["address"]);
    assert_eq!(differences(r#"{"executable": "/usr/sbin/apache2", "port": 80}"#), ["port", "executable"]);
    assert_eq!(differences(r#"{"executable": "/usr/sbin/nginx"}"#), [""; 0]);
}
