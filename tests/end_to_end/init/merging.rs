//! Adding to a policy: what people wrote stays, and what nobody should approve unseen is left to be decided.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Folder, decided, listener};
use crate::support::{outcome, run, subjects};

/// A policy as people write one.
const WRITTEN: &str = "\
# The shop.   Ask the web team before you change it.
schema = 1
extends = [\"server\"]
fail_on = \"medium\"  # as everywhere

[[approved]]   # the first
executable = '/usr/sbin/nginx'
port = [ 443,
         80 ]  # 80 redirects
reach = \"public\"
owner = \"web team\"
reason = \"the shop\"
until = 2030-01-01

[rules]
# We look at these.
\"listeners/dual-stack\" = \"low\"

# The end.";

fn nginx(port: u16) -> Value {
    listener("0.0.0.0", port, "/usr/sbin/nginx")
}

fn ssh(address: &str) -> Value {
    listener(address, 22, "/usr/sbin/sshd")
}

/// The facts after something was changed in a listener.
fn with(mut listener: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut listener);
    listener
}

fn without_unit(listener: Value, executable: &str) -> Value {
    with(listener, |listener| {
        let owner = &mut listener["owners"][0];
        (owner["executable"], owner["unit"], owner["cgroup"]) = (json!(executable), json!(null), json!("/"));
    })
}

#[test]
fn services_with_the_same_owner_and_reach_are_one_entry_that_survives_a_restart() {
    let both = |port| [nginx(port), listener("::", port, "/usr/sbin/nginx")];
    let loopback = listener("127.0.0.1", 9000, "/usr/sbin/app");
    let all: Vec<Value> = both(443).into_iter().chain(both(80)).chain([ssh("10.0.0.5"), loopback]).collect();
    let folder = Folder::new(&all);
    let said = folder.init();
    assert!(said.contains("3 entries added, 0 left to decide; nothing added for 1 listener"), "{said}");
    let policy = folder.policy();
    let entries = policy.split_once("without an entry here.\n").unwrap().1;
    insta::assert_snapshot!(entries, @r#"
    # tcp/10.0.0.5:22
    [[approved]]
    executable = "/usr/sbin/sshd"
    unit = "sshd.service"
    user = "www-data"
    protocol = "tcp"
    port = 22
    address = "10.0.0.5"
    reach = "public"
    owner = "unassigned"
    reason = "sshd, as found on quiet on 2026-01-15"

    # tcp/0.0.0.0:443 tcp/0.0.0.0:80
    [[approved]]
    executable = "/usr/sbin/nginx"
    unit = "nginx.service"
    user = "www-data"
    protocol = "tcp"
    port = [80, 443]
    address = "0.0.0.0"
    reach = "public"
    owner = "unassigned"
    reason = "nginx, as found on quiet on 2026-01-15"

    # tcp/[::]:443 tcp/[::]:80
    [[approved]]
    executable = "/usr/sbin/nginx"
    unit = "nginx.service"
    user = "www-data"
    protocol = "tcp"
    port = [80, 443]
    address = "::"
    reach = "link"
    owner = "unassigned"
    reason = "nginx, as found on quiet on 2026-01-15"
    "#);
    let (code, report) = folder.check(&[]);
    assert_eq!(code, 0, "{report:#}");

    let restarted: Vec<Value> = all.into_iter().map(|it| with(it, |it| it["owners"][0]["pid"] = json!(4000))).collect();
    folder.observe(&restarted);
    assert_eq!(folder.check(&[]).0, 0);
    folder.init();
    assert_eq!(folder.policy(), policy);
}

#[test]
fn what_people_wrote_stays_byte_for_byte_and_a_second_run_changes_nothing() {
    for written in [WRITTEN.to_owned(), WRITTEN.replace('\n', "\r\n"), format!("{WRITTEN}\n")] {
        let folder = Folder::new(&[nginx(80), ssh("10.0.0.5"), without_unit(nginx(8080), "/tmp/nginx")]);
        folder.write(&written);
        let said = folder.init();
        assert!(said.contains("1 entry added, 1 left to decide; nothing added for 1 listener"), "{said}");
        let policy = folder.policy();
        assert!(policy.starts_with(&written), "{policy}");
        assert_eq!(policy.contains("\r\n"), policy.lines().count() == policy.matches("\r\n").count(), "{policy:?}");
        let said = folder.init();
        assert!(said.contains("0 entries added, 1 left to decide"), "{said}");
        assert_eq!(folder.policy(), policy);
        assert_eq!(folder.check(&[]).0, 1, "what is to be decided fails");
    }
}

#[test]
fn a_policy_that_approved_nothing_so_far_is_default_deny_from_then_on() {
    let folder = Folder::new(&[]);
    let path = folder.path("loopgate.toml").display().to_string();
    assert_eq!(run(["init", &path]).code, 0);
    let plain = folder.policy();
    folder.init();
    assert!(folder.policy().starts_with(&plain) && folder.policy().ends_with("\n[plugins.approved]\n"));
    folder.observe(&[ssh("10.0.0.5")]);
    let said = folder.init();
    assert!(said.contains("listeners/private-bind (medium) fails it"), "{said}");
    assert!(said.contains("the built-in policy `server` leaves it to entries"), "{said}");
    folder.write(&plain.replace("\"default\"", "\"server\""));
    assert!(folder.init().contains("1 entry added, 0 left to decide"));
    assert_eq!(folder.check(&[]).0, 0);
}

#[test]
fn a_policy_can_go_to_standard_output() {
    let folder = Folder::new(&[ssh("10.0.0.5")]);
    let facts = folder.path("facts.json").display().to_string();
    let printed = run(["init", "--from-host", "--facts", &facts, "-"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    folder.init();
    assert_eq!(printed.stdout, folder.policy());
}

#[test]
fn an_entry_that_matches_nothing_is_named_and_stays() {
    let folder = Folder::new(&[ssh("10.0.0.5")]);
    folder.write(WRITTEN);
    let said = folder.init();
    assert!(said.contains("stale") && said.contains("(loopgate.toml:6)"), "{said}");
    assert!(folder.policy().starts_with(WRITTEN));
}

#[test]
fn what_an_upper_layer_approves_is_not_approved_again() {
    let folder = Folder::new(&[nginx(80)]);
    fs::write(folder.path("web.toml"), WRITTEN.replace("schema = 1", "schema = 1\nlocked = false")).unwrap();
    let policy = "schema = 1\nextends = [\"web.toml\"]\n";
    folder.write(policy);
    folder.init();
    assert_eq!(folder.policy(), policy);
    // One that the upper layer does not let anybody approve is not written either.
    fs::write(folder.path("web.toml"), WRITTEN).unwrap();
    folder.observe(&[nginx(80), ssh("10.0.0.5")]);
    let refused = folder.try_init(&[]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("web.toml") && refused.stderr.contains("locked"), "{}", refused.stderr);
    assert_eq!(folder.policy(), policy);
}

#[test]
fn an_approval_that_is_over_is_not_renewed() {
    let folder = Folder::new(&[nginx(80)]);
    let over = WRITTEN.replace("2030", "2020");
    folder.write(&over);
    let said = folder.init();
    assert!(said.contains("0 entries added, 1 left to decide"), "{said}");
    assert!(folder.policy().contains("#   an entry approved it until its date, which is over."), "{}", folder.policy());
    assert_eq!(folder.check(&[]).0, 1);
}

#[test]
fn a_file_that_is_no_policy_is_left_alone() {
    for broken in ["schema = 1\n[plugins.approvd]\n", "[[approved\n", "schema = 1\nextends = [\"sever\"]\n", ""] {
        let folder = Folder::new(&[nginx(80)]);
        folder.write(broken);
        let refused = folder.try_init(&[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{broken}");
        assert!(refused.stderr.contains("loopgate.toml:"), "{}", refused.stderr);
        assert_eq!(folder.policy(), broken);
    }
    let folder = Folder::new(&[nginx(80)]);
    fs::write(folder.path("loopgate.toml"), b"schema = 1\n# \xff\n").unwrap();
    assert!(folder.try_init(&[]).stderr.contains("line 2 is not UTF-8 text"));
    // A list that is closed cannot be added to from outside.
    let closed = "schema = 1\napproved = [{ port = 80, reach = \"public\", owner = \"web\", reason = \"shop\" }]\n";
    folder.write(closed);
    folder.observe(&[nginx(80), ssh("10.0.0.5")]);
    assert_eq!(folder.try_init(&[]).code, 2);
    assert_eq!(folder.policy(), closed);
}

#[test]
fn what_should_not_simply_be_approved_is_left_to_be_decided() {
    let plain = || listener("0.0.0.0", 8443, "/usr/bin/web");
    let owner = |change: fn(&mut Value)| with(plain(), |it| change(&mut it["owners"][0]));
    for (listener, reason) in [
        (listener("0.0.0.0", 6379, "/usr/bin/redis-server"), "listeners/sensitive-service (critical) fails it"),
        (with(plain(), |it| it["owners"] = json!([])), "nobody was seen to hold it"),
        (owner(|owner| owner["executable"] = json!(null)), "the program of an owner was not seen"),
        (owner(|owner| owner["executable"] = json!("/usr/bin/web (deleted)")), "the file of its program is gone"),
        (owner(|owner| owner["executable"] = json!("/home/eve/web")), "below /home/"),
        (owner(|owner| owner["executable"] = json!("/dev/shm/web")), "below /dev/"),
        (owner(|owner| owner["executable"] = json!("/memfd:web (deleted)")), "below no folder at all"),
        (owner(|owner| owner["executable_elsewhere"] = json!(true)), "in a file system of its own"),
        (owner(|owner| owner["executable"] = json!("/usr/bin/*")), "takes for a glob"),
        (owner(|owner| owner["unit"] = json!("we?.service")), "takes for a glob"),
        (owner(|owner| owner["user"] = json!("ro\u{200b}ot")), "characters that do not show"),
        (without_unit(plain(), "/usr/bin/python3.11"), "runs whatever it is given"),
        (
            owner(|owner| owner["container"] = json!({ "id": "5e5e", "runtime": "docker" })),
            "whose name and image were not seen",
        ),
        (with(plain(), |it| it["bound_interface"] = json!("eth0")), "bound to the interface eth0"),
        (
            owner(|owner| {
                (owner["pid"], owner["executable"]) = (json!(1), json!("/usr/lib/systemd/systemd"));
            }),
            "a service that was not started",
        ),
        (
            with(plain(), |it| {
                let region = &mut it["reachability"][1];
                (region["verdict"], region["unknown_because"]) =
                    (json!("unknown"), json!(["a rule is not understood"]));
            }),
            "how far it reaches is not known",
        ),
    ] {
        let mut listener = listener;
        if listener["bound_interface"] != json!(null) {
            listener["id"] = json!("tcp/0.0.0.0:8443%eth0");
        }
        let folder = Folder::new(&[listener]);
        let said = folder.init();
        assert!(said.contains("0 entries added, 1 left to decide"), "{reason}: {said}");
        let policy = folder.policy();
        let reasons: Vec<&str> = policy.lines().filter(|line| line.starts_with("#   ")).collect();
        assert!(reasons.iter().any(|line| line.contains(reason)), "{reason}: {policy}");
        assert!(!policy.lines().any(|line| line == "[[approved]]"), "{policy}");
        assert_ne!(folder.check(&[]).0, 0, "{reason}: nothing is approved unseen");
    }
}

#[test]
fn what_the_policy_fails_on_loopback_takes_a_waiver_and_no_entry() {
    let folder = Folder::new(&[listener("127.0.0.1", 2375, "/usr/bin/dockerd")]);
    assert!(folder.init().contains("0 entries added, 1 left to decide"));
    let policy = folder.policy();
    assert!(policy.contains("#[[waivers]]\n#rule = \"listeners/unsafe-on-loopback\"\n"), "{policy}");
    assert!(!policy.contains("#[[approved]]"), "{policy}");
    folder.write(&decided(&policy));
    assert_eq!(folder.check(&[]).0, 0);
}

/// A listener of a small machine: what it is bound to, which port, which program and user, and which network alone
/// reaches it, if not everybody.
type Found = ((usize, usize), (usize, usize), usize);

/// Lets only a network in.
fn narrowed(mut listener: Value, network: &str) -> Value {
    let mut kept_out = listener["reachability"][1].clone();
    (kept_out["verdict"], kept_out["reason"]) = (json!("blocked"), json!("dropped"));
    kept_out["excluded_sources"] = json!([network]);
    listener["reachability"][1]["sources"] = json!([network]);
    listener["reachability"].as_array_mut().unwrap().push(kept_out);
    listener
}

fn found(((address, port), (program, user), network): Found) -> Value {
    let (address, port) = (["0.0.0.0", "10.0.0.5", "::"][address], [22, 80, 443, 40_001, 40_002][port]);
    let mut found = listener(address, port, ["/usr/sbin/nginx", "/usr/sbin/sshd"][program]);
    found["owners"][0]["user"] = json!(["root", "www-data"][user]);
    match ["0.0.0.0/0", "10.0.0.0/24", "10.20.0.0/16", "192.168.0.0/16"][network] {
        "0.0.0.0/0" => found,
        _ if address == "::" => found,
        network => narrowed(found, network),
    }
}

#[test]
fn what_some_private_networks_reach_is_approved_for_these_and_no_others() {
    let folder = Folder::new(&[narrowed(ssh("10.0.0.5"), "10.20.0.0/16")]);
    folder.init();
    let policy = folder.policy();
    assert!(policy.contains("\nreach = [\"10.20.0.0/16\"]\n"), "{policy}");
    assert_eq!(folder.check(&[]).0, 0);
    for (network, code) in [("10.20.3.0/24", 0), ("192.168.0.0/16", 1), ("10.0.0.0/8", 1)] {
        folder.observe(&[narrowed(ssh("10.0.0.5"), network)]);
        assert_eq!(folder.check(&[]).0, code, "{network}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is grouped with what: entries never contradict each other, and none is missing.
    #[test]
    fn what_was_approved_is_clean_and_everything_else_is_not(
        all in prop::collection::vec(((0_usize..3, 0_usize..5), (0_usize..2, 0_usize..2), 0_usize..4), 1..8),
        other in ((0_usize..3, 0_usize..3), (0_usize..2, 0_usize..2), 0_usize..4),
    ) {
        // One socket at most on each port of a version.
        let place = |((address, port), ..): &Found| (*address == 2, *port);
        let mut places: BTreeMap<_, Found> = all.iter().map(|found| (place(found), *found)).collect();
        let folder = Folder::new(&[]);
        let observe = |places: &BTreeMap<_, Found>| {
            folder.observe(&places.values().copied().map(found).collect::<Vec<_>>());
        };
        observe(&places);
        let said = folder.init();
        prop_assert!(said.contains(" 0 left to decide"), "{}", said);
        let (code, report) = folder.check(&[]);
        prop_assert_eq!(code, 0, "{}\n{:#}", folder.policy(), report);

        let is_approved = places.get(&place(&other)).is_some_and(|there| (there.0, there.1) == (other.0, other.1));
        prop_assume!(!is_approved);
        places.insert(place(&other), other);
        observe(&places);
        prop_assert_eq!(folder.check(&[]).0, 1, "{}", folder.policy());
    }
}

#[test]
fn a_decision_is_made_by_taking_its_marks_away() {
    let folder = Folder::new(&[listener("0.0.0.0", 6379, "/usr/bin/redis-server")]);
    folder.init();
    let marked = folder.policy();
    // Owner and reason are not written by a machine: without them the policy is refused.
    folder.write(&marked.replace("\n#[[", "\n[[").replace("\n#owner = \"\"", "\nowner = \"\""));
    assert_eq!(folder.try_init(&[]).code, 2);
    folder.write(&decided(&marked));
    let (code, report) = folder.check(&[]);
    assert_eq!((code, &report["tally"]["waived"]), (0, &json!(1)), "{report:#}");
    assert_eq!(outcome(&report, "approved/unapproved-listener"), "pass");
    let (code, report) = folder.check(&["--at", "2028-01-01"]);
    assert_eq!(code, 1, "the waiver ends");
    assert_eq!(subjects(&report, "listeners/sensitive-service"), ["tcp/0.0.0.0:6379"]);
}

#[test]
fn a_widened_bind_and_another_program_on_the_port_are_not_what_was_approved() {
    let folder = Folder::new(&[ssh("10.0.0.5"), nginx(80)]);
    folder.init();
    assert_eq!(folder.check(&[]).0, 0);
    for changed in [
        ssh("0.0.0.0"),
        listener("10.0.0.5", 22, "/usr/sbin/dropbear"),
        with(ssh("10.0.0.5"), |it| it["owners"][0]["user"] = json!("eve")),
        with(ssh("10.0.0.5"), |it| it["owners"][0]["unit"] = json!("other.service")),
        listener("::", 80, "/usr/sbin/nginx"),
    ] {
        folder.observe(&[ssh("10.0.0.5"), nginx(80), changed.clone()]);
        if changed["id"] == "tcp/10.0.0.5:22" {
            folder.observe(&[nginx(80), changed.clone()]);
        }
        let (code, report) = folder.check(&[]);
        assert_eq!(code, 1, "{changed:#}");
        assert_eq!(subjects(&report, "approved/unapproved-listener"), [changed["id"].as_str().unwrap()]);
    }
}

#[test]
fn containers_go_by_name_and_image_and_never_by_what_they_run() {
    let container = json!({ "id": "5e5e", "runtime": "docker", "name": "shop", "image": "registry:5000/web/shop:1.4" });
    let folder = Folder::new(&[with(nginx(80), |it| it["owners"][0]["container"] = container.clone())]);
    folder.init();
    let policy = folder.policy();
    assert!(policy.contains("\ncontainer = \"shop\"\nimage = \"registry:5000/web/shop:*\"\n"), "{policy}");
    assert!(!policy.contains("\nexecutable") && !policy.contains("\nuser"), "{policy}");
    assert_eq!(folder.check(&[]).0, 0);
    let newer = json!({ "id": "6f6f", "runtime": "docker", "name": "shop", "image": "registry:5000/web/shop:1.5" });
    folder.observe(&[with(nginx(80), |it| it["owners"][0]["container"] = newer)]);
    assert_eq!(folder.check(&[]).0, 0);
    folder.observe(&[nginx(80)]);
    assert_eq!(folder.check(&[]).0, 1, "the same program outside of the container");
}

#[test]
fn a_port_that_the_kernel_chose_is_approved_as_one() {
    let folder = Folder::new(&[]);
    let at = |port| listener("0.0.0.0", port, "/usr/sbin/rpc.statd");
    let observe = |ports: &[u16]| folder.observe(&ports.iter().copied().map(at).collect::<Vec<_>>());
    observe(&[40_001, 40_002]);
    folder.init();
    assert_eq!(folder.policy().matches("\n[[approved]]\n").count(), 1);
    assert_eq!(folder.policy().matches("\nport = \"ephemeral\"\n").count(), 1);
    observe(&[50_001, 50_002]);
    assert_eq!(folder.check(&[]).0, 0);
    observe(&[32_000]);
    assert_eq!(folder.check(&[]).0, 1);
}
