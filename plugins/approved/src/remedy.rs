//! What to type to approve a listener as it is.

use loopgate_plugin::prelude::*;

use crate::candidate::process;

/// The entry for a listener, for somebody to sign. Nothing where it is not known who owns it or how far it reaches, and where a
/// policy could not name the owner by its plain name.
pub(crate) fn approval(listener: &Listener) -> Option<String> {
    if listener.exposure() == Exposure::Unknown {
        return None;
    }
    let (field, name) = owner(listener)?;
    Some(format!(
        "Stop the service, bind it to 127.0.0.1, or approve it as it is, with who answers for it and why:\n\n\
         ```toml\n\
         [[approved]]\n\
         {field} = \"{name}\"\n\
         protocol = \"{}\"\n\
         port = {}\n\
         reach = \"{}\"\n\
         owner = \"\"\n\
         reason = \"\"\n\
         ```\n\n\
         `loopgate init --from-host` writes such entries for all that is there.",
        listener.protocol.as_str(),
        listener.port,
        listener.reach.certain.as_str(),
    ))
}

/// The field that selects the owners, and what is in it: of all owners the same.
fn owner(listener: &Listener) -> Option<(&'static str, &str)> {
    let mut owners = listener.owners.iter().map(selector);
    let first = owners.next()??;
    let (_, name) = first;
    (owners.all(|other| other == Some(first)) && is_plain(name)).then_some(first)
}

fn selector(owner: &Owner) -> Option<(&'static str, &str)> {
    let process = process(owner);
    match process.container {
        Some(container) => Some(("container", container.name?)),
        None if process.is_elsewhere => None,
        None => process.executable.map(|path| ("executable", path.strip_suffix(" (deleted)").unwrap_or(path))),
    }
}

/// Whether a text stands for itself, in a string of TOML and as a pattern of a policy.
fn is_plain(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_graphic() && !"\"\\*?".contains(character))
}
