//! What is wrong with a rule is said before anything is judged, at its place.

use super::*;

#[test]
fn an_expression_that_is_wrong_is_refused_with_its_place() {
    for (check, message) in [
        ("listener.prot == 1", "a `listener` has no field `prot`; did you mean `port`? [.prot]"),
        ("listner.port == 1", "`listner` is unknown; did you mean `listener`? [listner]"),
        (
            "owner.user == 'x'",
            "`owner` is unknown: there are listener, listeners, interfaces, names, sysctls, host [owner]",
        ),
        (
            "listener.owners.user == 'x'",
            "a list, each an `owner` has no field `user`; ask `all` or `exists` of its items [.user]",
        ),
        ("listener.port == '443'", "a whole number is never equal to a text [==]"),
        ("listener.port", "it should be true or false, and is a whole number"),
        ("listener.port && true", "this should be true or false, and is a whole number [.port]"),
        ("listener.scope == 'lopback'", "it is never `lopback`; did you mean `loopback`? ['lopback']"),
        ("listener.protocol == 'TCP'", "it is never `TCP`: it can be tcp, udp, udplite, sctp ['TCP']"),
        ("listener.origin == 'published'", "it is never `published`: it can be socket, published-port ['published']"),
        (
            "listener.scope in ['loopback', 'lan']",
            "it is never `lan`: it can be loopback, link-local, private, shared, public, unspecified, multicast [['loopback', 'lan']]",
        ),
        (
            "listener.reach <= 'private'",
            "words have no order; of reaches, ask `reach_at_most` or `reach_at_least` [<=]",
        ),
        ("reach_at_most(listener, 'lan')", "it is never `lan`; did you mean `link`? ['lan']"),
        ("listener.address == '10.0.0.0/8'", "`10.0.0.0/8` is no address; ask `in_cidr` ['10.0.0.0/8']"),
        (
            "listener.address.startsWith('10.')",
            "an address is no argument here: it is called as `text.startsWith(\"start\")` [.address]",
        ),
        ("in_cidr(listener.address, '10.0.0.1/8')", "`10.0.0.1/8` has bits behind its prefix ['10.0.0.1/8']"),
        (
            "in_cidr(listener.address, '10.0.0.0/33')",
            "`10.0.0.0/33` is no network such as `10.0.0.0/8` or `fc00::/7` ['10.0.0.0/33']",
        ),
        (
            "in_cidr(listener.address, '::ffff:10.0.0.0/104')",
            "`::ffff:10.0.0.0/104` is an IPv4 network that is mapped into IPv6: write it as IPv4 ['::ffff:10.0.0.0/104']",
        ),
        (
            "in_cidr(listener.address)",
            "wrong number of arguments: it is called as `in_cidr(address, \"10.0.0.0/8\")` [in_cidr]",
        ),
        (
            "is_loopbak(listener.address)",
            "the function `is_loopbak` is unknown; did you mean `is_loopback`? [is_loopbak]",
        ),
        ("listener.id.matches('x')", "there are no regular expressions here: ask `glob(text, pattern)` [matches]"),
        ("listener.bound_interface == null", "nothing is null here: ask `has(...)` whether there is a value [null]"),
        ("has(listener)", "it is no CEL: invalid argument to has() macro [listener]"),
        ("listener.owners.all(true)", "`all` is asked of a list, with a name for its items: `list.all(x, ...)` [all]"),
        ("listener.port.all(x, true)", "only a list can be looped over, and this is a whole number [.port]"),
        ("listener.port > 1.5", "every number here is a whole one [1.5]"),
        ("size([1, 'a']) == 2", "the items of a list are of one type, and this is a text after a whole number ['a']"),
        ("{'a': 1}['a'] == 1", "maps and messages have no use here: no field is one [{'a': 1}]"),
        ("listener.port =! 1", "it is no CEL: mismatched input '=' expecting the end [=]"),
        ("listener.port ==", "it is no CEL: mismatched input 'the end' expecting expression []"),
        ("true &&\n  listener.prot == 1", "a `listener` has no field `prot`; did you mean `port`? [.prot]"),
        ("'ä' == 'ä' && listener.prot == 1", "a `listener` has no field `prot`; did you mean `port`? [.prot]"),
        ("listener . prot == 1", "a `listener` has no field `prot`; did you mean `port`? [. prot]"),
        ("listener.owners.all (true)", "`all` is asked of a list, with a name for its items: `list.all(x, ...)` [all]"),
        ("listener.port == 1   (2)", "it is no CEL: mismatched input '(' expecting the end [(]"),
        ("listener.port ==\n\n", "it is no CEL: mismatched input 'the end' expecting expression []"),
        ("  ", "it is empty"),
        ("", "it is empty"),
    ] {
        let mut rule = rule("listeners", "true");
        rule["check"] = json!(check);
        let [problem] = PLUGIN.configure(&rules(&[rule])).unwrap_err().try_into().unwrap();
        let part = problem.part.map(|part| check.get(part.start as usize..part.end as usize).unwrap());
        let found = part.map_or(problem.message.clone(), |part| format!("{} [{part}]", problem.message));
        assert_eq!((problem.path.as_str(), found.as_str()), ("/rules/0/check", message), "{check}");
    }
}

#[test]
fn a_fault_at_the_end_is_behind_the_last_token() {
    let mut rule = rule("listeners", "true");
    rule["check"] = json!("true &&\n // why\n");
    let [problem] = PLUGIN.configure(&rules(&[rule])).unwrap_err().try_into().unwrap();
    assert_eq!(problem.part.map(|part| (part.start, part.end)), Some((7, 7)));
}

#[test]
fn no_field_that_says_something_is_empty() {
    for (field, message) in [
        ("when", "it is empty"),
        ("check", "it is empty"),
        ("message", "it is empty"),
        ("title", "expected a text that says it in a few words, found ``"),
    ] {
        let found = problems(&json!({ field: "" }));
        assert_eq!(found, [(format!("/rules/0/{field}"), message.to_owned())]);
    }
}

#[test]
fn every_fault_of_every_field_is_named() {
    let found = problems(&json!({
        "id": "Bad Name", "for": "sockets", "when": "listener.a || listener.b", "message": "{listener.c}",
        "needs": ["everything"], "checks": "true",
    }));
    let places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "/rules/0/for",
            "/rules/0/needs/0",
            "/rules/0/id",
            "/rules/0/when",
            "/rules/0/when",
            "/rules/0/message",
            "/rules/0/checks",
        ]
    );
}

#[test]
fn two_rules_cannot_have_one_name_and_there_is_at_least_one() {
    let problems = |json: &str| {
        PLUGIN.configure(json).unwrap_err().into_iter().map(|it| (it.path, it.message)).collect::<Vec<_>>()
    };
    let twice = problems(&rules(&[rule("host", "true"), rule("host", "true")]));
    assert_eq!(twice, [("/rules/1/id".to_owned(), "another rule is called `the-rule` too".to_owned())]);
    assert_eq!(problems("{\"rules\": []}"), [("/rules".to_owned(), "expected 1 to 1000 rules, found 0".to_owned())]);
    assert_eq!(problems("{}"), [(String::new(), "`rules` is missing".to_owned())]);
}

#[test]
fn the_schema_describes_every_field() {
    let schema: Value = serde_json::from_str(&PLUGIN.describe().parameters_schema).unwrap();
    let fields = schema["properties"]["rules"]["items"]["properties"].as_object().unwrap();
    let names: Vec<_> = fields.keys().map(String::as_str).collect();
    for name in [
        "id",
        "title",
        "severity",
        "for",
        "when",
        "check",
        "message",
        "rationale",
        "remediation",
        "references",
        "needs",
    ] {
        assert!(names.contains(&name), "{name}");
        assert!(fields[name]["description"].is_string(), "{name}");
    }
    assert_eq!(schema["properties"]["rules"]["minItems"], 1);
}
