//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use loopgate_engine::Severity;
use loopgate_facts::{Prefix, Protocol};
use loopgate_parameters::Date;

use crate::policy::discovery;

const AFTER_HELP: &str = "\
Examples:
  loopgate check                               judge this machine by the policy that is found
  loopgate check --fail-on high                fail only on what is high or critical
  sudo loopgate facts --output web-1.json      record what root can see ...
  loopgate check --facts web-1.json            ... and judge it later, anywhere, as anyone
  loopgate listeners                           who listens where, and who owns it
  sudo loopgate reach tcp/5432                 who can reach a port, and which rule decides
  sudo loopgate init --from-host               approve what listens here, so that what is new fails
  loopgate explain listeners/wildcard-bind     what a rule checks, why, and how to mend it
  loopgate policy show                         what the policy says, and which file and line says it

Exit codes:
  0  compliant: everything that the policy asks for was judged, nothing at the threshold was found
  1  findings at or above the threshold
  2  wrong usage, policy, plugin or facts file: nothing was judged
  3  incomplete: no finding at the threshold, but something needed could not be observed or judged";

const REACH_HELP: &str = "\
Examples:
  sudo loopgate reach tcp/5432                         from everywhere, to every address of this machine
  sudo loopgate reach tcp/5432 --in eth0 --from 10.0.0.0/8
  sudo loopgate reach tcp/8080 --on 127.0.0.1          is a port published on loopback open to neighbours?
  iptables-save > new.rules
  loopgate reach tcp/22 --ruleset new.rules            as if these were the rules of this machine

The way of a packet is shown hook by hook: every rule that matched for some of the senders, and the one that decided. \
Addresses and routes are those of this machine also with --ruleset. Reading the live rules needs root; without it \
everything that routing lets through is unknown.";

const BASELINE_HELP: &str = "\
Examples:
  sudo loopgate baseline write baseline.json      record what there is
  sudo loopgate check --baseline baseline.json    ... and fail only on what is new or reaches further
  sudo loopgate baseline prune baseline.json      forget what was mended

A finding is recognised by its rule and subject, not by process ids, messages, or ports that the kernel chose. What is \
waived is not recorded.";

const INIT_HELP: &str = "\
Examples:
  loopgate init                             a short policy, loopgate.toml, that extends the default
  sudo loopgate init --from-host            approve what listens on this machine, or add what is new to loopgate.toml
  loopgate init --from-host --facts web-1.json web-1.toml
  grep -A3 DECIDE loopgate.toml             what was not simply approved, and why

Entries go by program, user, unit or container, port and address, so that they survive restarts. What the policy would \
fail, whose owner or reach is not known, and what anybody could replace is written as comments, to be decided. A file \
that is there keeps every byte; what is added comes at its end. Run as root: who owns a socket is not known otherwise.";

/// Proves that what should stay on loopback is unreachable from outside.
///
/// loopgate observes a machine, hands what it saw to sandboxed policy plugins, and reports what listens where it
/// should not. What it cannot see is unknown, never fine. Nothing on the machine is changed.
#[derive(Debug, Parser)]
#[command(name = "loopgate", version, after_help = AFTER_HELP, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge a machine by a policy and report, with an exit code for gates
    #[command(after_help = "Exit codes: 0 compliant, 1 findings, 2 nothing was judged, 3 incomplete.")]
    Check(Check),
    /// Observe this machine and print the facts as JSON, to be judged anywhere with `check --facts`
    Facts(Facts),
    /// List who listens where, who owns it, who can reach it, and which rule decides
    Listeners(Listeners),
    /// Say who can reach a port, and which rule decides; also for a port on which nothing listens
    #[command(after_help = REACH_HELP)]
    Reach(Reach),
    /// Write a policy to begin with, or add to one what listens on this machine
    #[command(after_help = INIT_HELP)]
    Init(Init),
    /// Record what is found now, so that `check --baseline` fails only on what is new
    #[command(subcommand, after_help = BASELINE_HELP)]
    Baseline(Baseline),
    /// List the rules of a policy with their severities
    Rules(Rules),
    /// Explain a rule, or a finding: the rule, who listens, who gets through by which rule, and what to type to mend it
    Explain(Explain),
    /// Show the policy in effect, validate it, or print the schema of its format
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a script that completes loopgate's commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// `loopgate check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) facts: FactsFile,
    #[command(flatten)]
    pub(crate) day: Day,
    /// Findings that were recorded with `loopgate baseline`: only others count
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// How to write the report
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) output: OutputFile,
    /// Least severity that fails, instead of the one in the policy
    #[arg(long, value_name = "SEVERITY", value_parser = severities())]
    pub(crate) fail_on: Option<Severity>,
    /// Show only the verdict, the findings and what could not be judged
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show all evidence, references, fingerprints and digests
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// `loopgate facts`
#[derive(Debug, Args)]
pub(crate) struct Facts {
    #[command(flatten)]
    pub(crate) output: OutputFile,
}

/// `loopgate listeners`
#[derive(Debug, Args)]
pub(crate) struct Listeners {
    #[command(flatten)]
    pub(crate) facts: FactsFile,
    /// How to write the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) output: OutputFile,
}

/// `loopgate reach`
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// The port, such as `tcp/5432` or `udp/53`
    #[arg(value_name = "PROTOCOL/PORT")]
    pub(crate) service: Service,
    /// Only packets sent to this address, instead of each address of this machine
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) on: Option<IpAddr>,
    /// Only packets from these sources, such as 10.0.0.0/8
    #[arg(long, value_name = "CIDR")]
    pub(crate) from: Option<Cidr>,
    /// Only packets that come in by this interface; `lo` for this machine itself
    #[arg(long = "in", value_name = "INTERFACE")]
    pub(crate) interface: Option<String>,
    /// Rules to go by instead of those of this machine: the output of `iptables-save`, `ip6tables-save`, `ipset save`
    /// or `nft -j list ruleset`; may be given several times
    #[arg(long = "ruleset", value_name = "FILE")]
    pub(crate) rulesets: Vec<PathBuf>,
    /// How to write the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) output: OutputFile,
}

/// A port of a transport protocol: `tcp/5432`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted =
            || "write it as protocol and port, such as tcp/5432; the protocols are tcp, udp, udplite, sctp".to_owned();
        let (protocol, port) = text.split_once('/').ok_or_else(wanted)?;
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Udplite, Protocol::Sctp];
        let protocol = protocols.into_iter().find(|known| known.as_str() == protocol).ok_or_else(wanted)?;
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| "a port is a number from 1 to 65535".to_owned())?;
        Ok(Self { protocol, port })
    }
}

/// A prefix, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr(pub(crate) Prefix);

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = if text.contains(':') { 128 } else { 32 };
        let whole = if text.contains('/') { text.to_owned() } else { format!("{text}/{length}") };
        whole.parse().map(Self).map_err(|error| format!("{error}"))
    }
}

/// `loopgate rules`
#[derive(Debug, Args)]
pub(crate) struct Rules {
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
}

/// `loopgate explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A rule (`listeners/wildcard-bind`, or `wildcard-bind` if no other plugin has one of that name), or a finding: the
    /// digits that `check` shows behind its rule, or its subject (`tcp/0.0.0.0:6379`)
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) facts: FactsFile,
    #[command(flatten)]
    pub(crate) day: Day,
}

/// `loopgate policy`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print the policy that all layers make together, with the file and line that each value comes from
    Show(PolicyShow),
    /// Validate the policy with its plugins and their parameters, without judging anything
    #[command(after_help = "Exit codes: 0 the policy is right, 2 it is not.")]
    Check(PolicyCheck),
    /// Print the JSON Schema of policies, with which editors complete and check them
    Schema(PolicySchema),
}

/// `loopgate policy show`
#[derive(Debug, Args)]
pub(crate) struct PolicyShow {
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    /// How to write the policy; as text it is TOML
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) output: OutputFile,
}

/// `loopgate policy check`
#[derive(Debug, Args)]
pub(crate) struct PolicyCheck {
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
}

/// `loopgate policy schema`
#[derive(Debug, Args)]
pub(crate) struct PolicySchema {
    #[command(flatten)]
    pub(crate) output: OutputFile,
}

/// The policy of a command.
#[derive(Debug, Args)]
pub(crate) struct PolicyFile {
    /// Policy to judge by: a TOML file, or the name of a built-in policy; of several, the first is uppermost, and those below
    /// it loosen only what it does not lock (a built-in policy locks nothing). Without it, `loopgate.toml` here or in the
    /// nearest folder above, else `/etc/loopgate/policy.toml`, else the built-in policy `default`
    #[arg(id = "policy", long = "policy", value_name = "FILE")]
    pub(crate) paths: Vec<PathBuf>,
}

/// The facts of a command.
#[derive(Debug, Args)]
pub(crate) struct FactsFile {
    /// Facts that `loopgate facts` recorded, `-` for standard input; without it, this machine as it is now
    #[arg(id = "facts", long = "facts", value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
}

/// The day that a command judges by.
#[derive(Debug, Args)]
pub(crate) struct Day {
    /// Judge as on this day (2027-01-31) or at this time (RFC 3339), instead of when the facts were collected: approvals and
    /// waivers end
    #[arg(long, value_name = "DATE")]
    pub(crate) at: Option<At>,
}

/// A day, at its beginning in UTC, or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Timestamp);

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = if Date::parse(text).is_some() { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let time = whole.parse().map(Self);
        time.map_err(|_| {
            "write a day that there is, such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z".to_owned()
        })
    }
}

/// `loopgate init`
#[derive(Debug, Args)]
#[command(mut_arg("facts", |facts| facts.requires("from_host")))]
pub(crate) struct Init {
    /// The file to write, `-` for standard output
    #[arg(value_name = "FILE", default_value = discovery::FILE)]
    pub(crate) file: PathBuf,
    /// Approve what listens on this machine; a policy that is there is added to
    #[arg(long)]
    pub(crate) from_host: bool,
    #[command(flatten)]
    pub(crate) facts: FactsFile,
    /// Policy that a new file extends: a built-in one by its name, or a file beside it. Without it, `server` with
    /// --from-host, else `default`
    #[arg(long, value_name = "NAME")]
    pub(crate) extends: Vec<String>,
}

/// `loopgate baseline`
#[derive(Debug, Subcommand)]
pub(crate) enum Baseline {
    /// Record what there is to find now in a new file
    Write(BaselineFile),
    /// Add what is found now and not recorded yet; what is gone stays recorded
    Update(BaselineFile),
    /// Drop what is recorded and gone
    Prune(BaselineFile),
}

/// The file of a baseline and what to judge for it.
#[derive(Debug, Args)]
pub(crate) struct BaselineFile {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) facts: FactsFile,
    #[command(flatten)]
    pub(crate) day: Day,
}

/// The destination of a command.
#[derive(Debug, Args)]
pub(crate) struct OutputFile {
    /// File to write to, replaced in one step; without it or with `-`, standard output
    #[arg(id = "output", short, long = "output", value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
}

/// How to write a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people; coloured on a terminal
    #[default]
    Text,
    /// For programs; versioned, in a stable order
    Json,
}

fn severities() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|word| word.parse::<Severity>())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_option_of_check_is_documented() {
        let page = include_str!("../../../docs/usage.md");
        let cli = Cli::command();
        for command in cli.get_subcommands() {
            assert!(page.contains(&format!("loopgate {}", command.get_name())), "{}", command.get_name());
        }
        for command in cli.find_subcommand("policy").unwrap().get_subcommands() {
            assert!(page.contains(&format!("loopgate policy {}", command.get_name())), "{}", command.get_name());
        }
        let options = cli.find_subcommand("check").unwrap().get_arguments().filter_map(clap::Arg::get_long);
        for option in options {
            assert!(page.contains(&format!("`--{option}")), "{option}");
        }
    }
}
