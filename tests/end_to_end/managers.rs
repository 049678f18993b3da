//! The tools that administrators filter and publish ports with, run for real in namespaces of their own: what
//! `loopgate` says about their rules is what a peer finds that connects.

mod docker;
mod firewalld;
mod machine;
mod moby;
mod probe;
mod redirect;
mod shadowed;
mod ufw;
mod unprivileged;
mod verdicts;

pub(crate) use firewalld::Firewalld;
pub(crate) use machine::{listen_at, peer};
pub(crate) use ufw::ufw;
