//! Targets without meaning for who can reach what: logs, counters, copies.

use super::note;
use crate::iptables_save::grammar::{Extension, Instance, option};
use crate::rule::Op;

fn only_a_note(instance: &Instance<'_>) -> Option<Vec<Op>> {
    Some(vec![note(instance)])
}

/// Targets that the packet passes unchanged.
pub(super) const NOTES: &[Extension] = &[
    Extension {
        names: &["LOG"],
        options: &[
            option(&["--log-level"], 1),
            option(&["--log-prefix"], 1),
            option(&["--log-tcp-sequence"], 0),
            option(&["--log-tcp-options"], 0),
            option(&["--log-ip-options"], 0),
            option(&["--log-uid"], 0),
            option(&["--log-macdecode"], 0),
        ],
        lower: only_a_note,
    },
    Extension {
        names: &["NFLOG"],
        options: &[
            option(&["--nflog-group"], 1),
            option(&["--nflog-range"], 1),
            option(&["--nflog-size"], 1),
            option(&["--nflog-threshold"], 1),
            option(&["--nflog-prefix"], 1),
        ],
        lower: only_a_note,
    },
    Extension {
        names: &["ULOG"],
        options: &[
            option(&["--ulog-nlgroup"], 1),
            option(&["--ulog-cprange"], 1),
            option(&["--ulog-qthreshold"], 1),
            option(&["--ulog-prefix"], 1),
        ],
        lower: only_a_note,
    },
    Extension { names: &["TRACE"], options: &[], lower: only_a_note },
    Extension { names: &["AUDIT"], options: &[option(&["--type"], 1)], lower: only_a_note },
    Extension {
        names: &["LED"],
        options: &[option(&["--led-trigger-id"], 1), option(&["--led-delay"], 1), option(&["--led-always-blink"], 0)],
        lower: only_a_note,
    },
    Extension {
        names: &["IDLETIMER"],
        options: &[
            option(&["--timeout"], 1),
            option(&["--label"], 1),
            option(&["--alarm"], 0),
            option(&["--send_nl_msg"], 1),
        ],
        lower: only_a_note,
    },
    Extension {
        names: &["RATEEST"],
        options: &[
            option(&["--rateest-name"], 1),
            option(&["--rateest-interval"], 1),
            option(&["--rateest-ewmalog", "--rateest-ewma"], 1),
        ],
        lower: only_a_note,
    },
    Extension { names: &["CHECKSUM"], options: &[option(&["--checksum-fill"], 0)], lower: only_a_note },
    // A copy goes to another machine; the packet goes on.
    Extension { names: &["TEE"], options: &[option(&["--gateway"], 1), option(&["--oif"], 1)], lower: only_a_note },
];
