//! `loopgate listeners`: who listens where, who can reach it, and which rule decides.

use std::io::{self, Write};

use loopgate_facts::{
    Area, BlockReason, Facts, Listener, Owner, Reach, ReachBounds, ReachPath, ReachVerdict, Reachability,
};

use crate::cli::{Format, Listeners};
use crate::error::Error;
use crate::gate::gap_reason;
use crate::output::{Document, Output};
use crate::page::{BAD, BOLD, DIM, DOUBT, GOOD, Page, counted, cut, name_of, padded, shown, styled};
use crate::report::json;

const GAP: usize = 2;
/// A column is not made narrower than this to fit the terminal.
const NARROWEST: usize = 8;
/// The columns that give way first where the terminal is narrow, with the widest one shrunk first.
const ELASTIC: [usize; 6] = [1, 4, 5, 6, 7, 8];

const HEADINGS: [&str; COLUMNS] =
    ["PROTO", "ADDRESS", "PORT", "REACH", "OWNER", "PID", "USER", "UNIT OR CONTAINER", "DECIDED BY"];
const COLUMNS: usize = 9;

type Row = [String; COLUMNS];

pub(super) fn run(arguments: &Listeners) -> Result<(), Error> {
    let facts = super::facts(&arguments.facts)?;
    let output = Output::new(arguments.output.path.as_deref());
    let document = match arguments.format {
        Format::Text => {
            Document::text(|out| render(&facts, Widths { text: output.width(), table: output.table_width() }, out))
        }
        Format::Json => Document::data(|out| json::write_safely(&facts.listeners, out)),
    };
    output.write(&document)
}

/// The columns that there are.
#[derive(Clone, Copy)]
struct Widths {
    text: usize,
    table: usize,
}

fn render(facts: &Facts, widths: Widths, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, widths.text);
    if facts.listeners.is_empty() {
        page.line("no listeners were seen")?;
    } else {
        table(&mut page, widths.table, facts)?;
    }
    gaps(&mut page, facts)
}

fn table(page: &mut Page<'_>, room: usize, facts: &Facts) -> io::Result<()> {
    let reached = facts.listeners.iter().map(|listener| (listener, facts.reach(listener)));
    let rows: Vec<(ReachBounds, Row)> = reached.map(|(listener, reach)| (reach, row(listener, reach))).collect();
    let widths = fitted(natural(&rows), room);
    page.line(styled(BOLD, joined(&HEADINGS.map(str::to_owned), &widths)))?;
    rows.iter().try_for_each(|(reach, row)| page.line(coloured(*reach, row, &widths)))
}

fn row(listener: &Listener, reach: ReachBounds) -> Row {
    let first = listener.owners.first();
    [
        listener.protocol.to_string(),
        address(listener),
        listener.port.to_string(),
        bounds(reach),
        name(listener),
        pids(&listener.owners),
        first.and_then(user).unwrap_or_else(unknown),
        place(listener),
        decided_by(listener),
    ]
}

/// How far away peers can be: one word where it is known, else the nearest and the farthest.
fn bounds(reach: ReachBounds) -> String {
    if reach.is_exact() { reach.certain.to_string() } else { format!("{}..{}?", reach.certain, reach.possible) }
}

/// What decides about packets from outside: about those that arrive, else about those that may, else about the others.
fn decided_by(listener: &Listener) -> String {
    let telling = [ReachVerdict::Reachable, ReachVerdict::Unknown, ReachVerdict::Blocked];
    let outside =
        |region: &&Reachability| region.reason != Some(BlockReason::Martian) && region.path != ReachPath::Neither;
    let mut regions = telling.iter().flat_map(|verdict| {
        let of_verdict = listener.reachability.iter().filter(move |region| region.verdict == *verdict);
        of_verdict.filter(|region| region.interfaces.iter().any(|name| name.as_str() != "lo")).filter(outside)
    });
    let Some(region) = regions.next() else { return "-".to_owned() };
    match &region.decided_by {
        Some(rule) => format!("{} {}: {}", shown(&rule.table), shown(&rule.chain), shown(&rule.text)),
        None => "no rule".to_owned(),
    }
}

fn address(listener: &Listener) -> String {
    let restriction = listener.interface().map(|name| format!("%{}", shown(name))).unwrap_or_default();
    let families = if listener.takes_ipv4_on_ipv6() == Some(true) { " (+IPv4)" } else { "" };
    format!("{}{restriction}{families}", listener.address)
}

/// The names of the owners, each once; where a published port leads to if they are not known.
fn name(listener: &Listener) -> String {
    let mut names: Vec<String> = Vec::new();
    for owner in &listener.owners {
        let name = shown(&owner.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match &listener.published {
        Some(published) if names.is_empty() => format!("to {}", published.target),
        _ if names.is_empty() => unknown(),
        _ => names.join(", "),
    }
}

fn pids(owners: &[Owner]) -> String {
    let Some(first) = owners.first() else { return unknown() };
    match owners.len() {
        1 => first.pid.to_string(),
        count => format!("{} +{}", first.pid, count - 1),
    }
}

fn user(owner: &Owner) -> Option<String> {
    owner.user.as_ref().map(shown).or_else(|| owner.uid.map(|uid| uid.to_string()))
}

/// The container, or else the unit; a process may well have neither.
fn place(listener: &Listener) -> String {
    let target = listener.published.as_ref().and_then(|published| published.container.as_ref());
    let owner = listener.owners.first();
    if let Some(container) = target.or_else(|| owner?.container.as_ref()) {
        return format!("{} {}", shown(&container.runtime.as_str().into()), name_of(container));
    }
    owner.map_or_else(unknown, |owner| owner.unit.as_ref().map_or_else(|| "-".to_owned(), shown))
}

fn unknown() -> String {
    "?".to_owned()
}

fn natural(rows: &[(ReachBounds, Row)]) -> [usize; COLUMNS] {
    let mut widths = HEADINGS.map(str::len);
    for (_, row) in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(textwrap::core::display_width(cell));
        }
    }
    widths
}

/// The widths, with the widest elastic column narrowed until the line fits or nothing more can give way.
fn fitted(mut widths: [usize; COLUMNS], room: usize) -> [usize; COLUMNS] {
    let total = |widths: &[usize; COLUMNS]| widths.iter().sum::<usize>() + GAP * (widths.len() - 1);
    while total(&widths) > room {
        let elastic = widths.iter_mut().enumerate().filter(|(column, _)| ELASTIC.contains(column));
        match elastic.map(|(_, width)| width).max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
    widths
}

fn cells<'a>(row: &'a Row, widths: &'a [usize; COLUMNS]) -> impl Iterator<Item = String> + 'a {
    row.iter().zip(widths).map(|(cell, width)| padded(&cut(cell, *width), *width))
}

fn joined(row: &Row, widths: &[usize; COLUMNS]) -> String {
    let cells: Vec<String> = cells(row, widths).collect();
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// The line with its reach coloured by how far it goes, or may go.
fn coloured(reach: ReachBounds, row: &Row, widths: &[usize; COLUMNS]) -> String {
    let style = match reach.possible {
        Reach::None | Reach::Host => GOOD,
        _ if !reach.is_exact() => DOUBT,
        Reach::Link | Reach::Private => DOUBT,
        Reach::Public => BAD,
    };
    let styled_reach = |(column, cell): (usize, String)| {
        if HEADINGS.get(column) == Some(&"REACH") { styled(style, cell).to_string() } else { cell }
    };
    let cells: Vec<String> = cells(row, widths).enumerate().map(styled_reach).collect();
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// What is missing from the table.
fn gaps(page: &mut Page<'_>, facts: &Facts) -> io::Result<()> {
    let gaps = || facts.gaps.iter().filter(|gap| matches!(gap.area, Area::Listeners | Area::Owners | Area::Firewall));
    if gaps().next().is_none() {
        return Ok(());
    }
    page.blank()?;
    page.line(styled(DOUBT, format!("This list is incomplete: {}", counted(gaps().count(), "gap"))))?;
    for gap in gaps() {
        page.paragraph(2, &shown(&gap_reason(gap)))?;
    }
    page.line(styled(DIM, "  ? marks what could not be seen"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use loopgate_facts::{Container, Interface, InterfaceKind, InterfaceSettings, Origin, Published, RuleReference};

    use super::*;
    use crate::sample;

    fn plain(facts: &Facts, width: usize) -> String {
        let mut out = Vec::new();
        render(facts, Widths { text: width, table: width }, &mut out).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    fn machine() -> Facts {
        let mut facts = sample::facts();
        let mut unseen = sample::listener("10.0.0.7", 8080, "x");
        unseen.owners.clear();
        let mut shared = sample::listener("::", 443, "nginx");
        shared.ipv6_only = Some(false);
        let mut worker = shared.owners.first().unwrap().clone();
        worker.pid = 813;
        shared.owners.push(worker);
        facts.interfaces = vec![Interface {
            name: "lo".into(),
            index: 1,
            kind: InterfaceKind::Loopback,
            up: true,
            running: true,
            mtu: 65_536,
            master: None,
            addresses: Vec::new(),
            settings: InterfaceSettings::default(),
        }];
        let mut local = sample::listener("127.0.0.1", 6379, "redis-server");
        local.reachability = vec![region("lo", "127.0.0.1", ReachVerdict::Reachable)];
        shared.reachability = vec![
            region("eth0", "10.0.0.7", ReachVerdict::Blocked),
            region("eth0", "10.0.0.7", ReachVerdict::Reachable),
        ];
        facts.listeners = vec![local, shared, unseen];
        facts
    }

    fn region(interface: &str, destination: &str, verdict: ReachVerdict) -> Reachability {
        Reachability {
            interfaces: vec![interface.into()],
            destinations: vec![destination.parse().unwrap()],
            port: 443,
            sources: vec!["0.0.0.0/0".parse().unwrap()],
            excluded_sources: Vec::new(),
            unlisted_sources: 0,
            verdict,
            reason: (verdict == ReachVerdict::Blocked).then_some(BlockReason::Dropped),
            unknown_because: Vec::new(),
            path: ReachPath::Input,
            translated_to: None,
            decided_by: Some(RuleReference {
                backend: "nf-tables".to_owned(),
                family: "inet".to_owned(),
                table: "filter".into(),
                chain: "input".into(),
                handle: Some(7),
                line: None,
                text: if verdict == ReachVerdict::Blocked { "drop".into() } else { "accept".into() },
            }),
            narrowed_by: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_table_is_aligned() {
        assert_snapshot!(plain(&machine(), 120), @r"
        PROTO  ADDRESS     PORT  REACH          OWNER         PID     USER   UNIT OR CONTAINER     DECIDED BY
        tcp    127.0.0.1   6379  host           redis-server  812     redis  redis-server.service  -
        tcp    :: (+IPv4)  443   public         nginx         812 +1  redis  redis-server.service  filter input: accept
        tcp    10.0.0.7    8080  none..public?  ?             ?       ?      ?                     -
        ");
    }

    #[test]
    fn a_published_port_is_shown_with_its_container() {
        let mut facts = sample::facts();
        let mut listener = sample::listener("0.0.0.0", 8080, "docker-proxy");
        listener.origin = Origin::PublishedPort;
        listener.published = Some(Published {
            target: "172.17.0.2:80".parse().unwrap(),
            interface: Some("docker0".into()),
            rule: region("eth0", "10.0.0.7", ReachVerdict::Reachable).decided_by.unwrap(),
            container: Some(Container {
                id: "0123456789abcdef".into(),
                runtime: "docker".to_owned(),
                name: None,
                image: None,
            }),
            listener: None,
        });
        let mut unseen = listener.clone();
        unseen.owners.clear();
        let mut named = unseen.clone();
        named.published.as_mut().unwrap().container.as_mut().unwrap().name = Some("web".into());
        facts.listeners = vec![listener, unseen, named];
        assert_snapshot!(plain(&facts, usize::MAX), @r"
        PROTO  ADDRESS  PORT  REACH          OWNER             PID  USER   UNIT OR CONTAINER    DECIDED BY
        tcp    0.0.0.0  8080  none..public?  docker-proxy      812  redis  docker 0123456789ab  -
        tcp    0.0.0.0  8080  none..public?  to 172.17.0.2:80  ?    ?      docker 0123456789ab  -
        tcp    0.0.0.0  8080  none..public?  to 172.17.0.2:80  ?    ?      docker web           -
        ");
    }

    #[test]
    fn a_narrow_terminal_shortens_the_widest_columns() {
        assert_snapshot!(plain(&machine(), 72), @r"
        PROTO  ADDRESS   PORT  REACH          OWNER     PID     USER   UNIT OR…  DECIDED…
        tcp    127.0.0…  6379  host           redis-s…  812     redis  redis-s…  -
        tcp    :: (+IP…  443   public         nginx     812 +1  redis  redis-s…  filter …
        tcp    10.0.0.7  8080  none..public?  ?         ?       ?      ?         -
        ");
    }

    #[test]
    fn a_list_with_gaps_says_so_even_if_it_is_empty() {
        let mut facts = sample::facts();
        let (reason, leaves_unknown) = ("not permitted".into(), "every listener".into());
        facts.gaps.push(loopgate_facts::Gap { area: Area::Listeners, subject: None, reason, leaves_unknown });
        assert_snapshot!(plain(&facts, 80), @r"
        no listeners were seen

        This list is incomplete: 1 gap
          listeners: not permitted (leaves unknown: every listener)
          ? marks what could not be seen
        ");
    }

    #[test]
    fn names_that_steer_a_terminal_are_escaped() {
        let mut facts = sample::facts();
        facts.listeners = vec![sample::listener("0.0.0.0", 80, "a\u{1b}[31m\n\u{202e}b")];
        let shown = plain(&facts, 120);
        assert!(!shown.chars().any(|character| character != '\n' && loopgate_facts::is_unsafe_to_print(character)));
    }
}
