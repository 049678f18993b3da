//! Which way an answer takes is a matter of the socket too.

/// What of the socket that answers decides by which way its answers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Responder {
    /// Index of the interface that it is bound to (`SO_BINDTODEVICE`, or the zone of its address).
    pub interface: Option<u32>,
    /// Its mark (`SO_MARK`), 0 without one; `None` where it is not known.
    pub mark: Option<u32>,
}

impl Default for Responder {
    /// A socket without anything of the kind.
    fn default() -> Self {
        Self { interface: None, mark: Some(0) }
    }
}
