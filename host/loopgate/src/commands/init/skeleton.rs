//! Policies to begin with.

use serde_json::json;

use crate::policy::written;

/// What makes a policy approve listeners.
pub(super) const APPROVALS: &str =
    "\n# What may listen beyond loopback: nothing that no entry of `[[approved]]` approves.\n[plugins.approved]\n";

/// A policy that extends others and shows what one can say.
pub(super) fn plain(extends: &[String]) -> String {
    let head = head("What `loopgate check` judges by in this folder and below.", &or(extends, "default"));
    format!(
        "{head}\n\
         # Least severity of a finding that fails the check, if it is another one than above.\n\
         #fail_on = \"low\"\n\
         \n\
         # What may listen beyond loopback, how far it may reach, who answers for it, and why. The first entry makes everything\n\
         # else a finding; `loopgate init --from-host` adds an entry for what is there.\n\
         #[[approved]]\n\
         #executable = \"/usr/sbin/nginx\"\n\
         #port = [80, 443]\n\
         #reach = \"public\"\n\
         #owner = \"web team\"\n\
         #reason = \"the shop\"\n\
         \n\
         # Rules that matter more or less here than above, or not at all (\"off\"); `loopgate rules` lists them.\n\
         #[rules]\n\
         #\"listeners/dual-stack\" = \"medium\"\n"
    )
}

/// A policy for entries that are taken from a machine.
pub(super) fn from_host(extends: &[String]) -> String {
    let head =
        head("What may listen on the machines that `loopgate check` judges by this policy.", &or(extends, "server"));
    format!(
        "{head}\n\
         # Each entry says what may listen, how far it may reach, who answers for it, and why; nothing else may listen beyond\n\
         # loopback. Listeners on loopback need no entry. What was not simply approved is at the places marked DECIDE, and\n\
         # fails the check until it is. `loopgate init --from-host` adds what is new, and keeps what is written here.\n"
    )
}

fn head(about: &str, extends: &[String]) -> String {
    format!(
        "#:schema ./policy.schema.json\n\
         # {about}\n\
         # `loopgate policy schema --output policy.schema.json` writes what the first line names, for editors.\n\
         \n\
         schema = 1\n\
         \n\
         # The policies above this one; `loopgate policy show` prints what they say together.\n\
         extends = {}\n",
        written::inline(&json!(extends))
    )
}

fn or(extends: &[String], otherwise: &str) -> Vec<String> {
    if extends.is_empty() { vec![otherwise.to_owned()] } else { extends.to_vec() }
}
