//! The messages in the datagrams of a dump (`netlink(7)`), without any input or output.

use std::io;

use netlink_packet_core::{NLM_F_DUMP_INTR, NetlinkBuffer};

use super::{NetlinkError, u32_at};

/// What the header of each answer must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Type of the answers.
    pub(super) kind: u16,
    /// Sequence number of the request.
    pub(super) sequence: u32,
    /// Port id of the socket that asked.
    pub(super) port: u32,
}

/// A dump that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    expected: Expected,
    interrupted: bool,
    done: bool,
}

// Control messages, include/uapi/linux/netlink.h.
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

impl Reading {
    pub(super) fn new(expected: Expected) -> Self {
        Self { expected, interrupted: false, done: false }
    }

    /// Whether the kernel has said that there is no more.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Reads one datagram; the payload of each answer goes to `each`.
    pub(super) fn datagram(
        &mut self,
        datagram: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), NetlinkError>,
    ) -> Result<(), NetlinkError> {
        if datagram.is_empty() {
            return Err(malformed("an empty datagram"));
        }
        let mut rest = datagram;
        while !rest.is_empty() && !self.done {
            let message =
                NetlinkBuffer::new_checked(rest).map_err(|error| NetlinkError::Malformed(error.to_string()))?;
            self.message(&message, &mut each)?;
            let length = (message.length() as usize).next_multiple_of(ALIGNMENT);
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn message(
        &mut self,
        message: &NetlinkBuffer<&[u8]>,
        each: &mut impl FnMut(&[u8]) -> Result<(), NetlinkError>,
    ) -> Result<(), NetlinkError> {
        self.check(message)?;
        self.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
        match message.message_type() {
            NLMSG_NOOP => Ok(()),
            NLMSG_ERROR => Err(refusal(message.payload())),
            NLMSG_OVERRUN => Err(NetlinkError::Unexpected("data was lost")),
            NLMSG_DONE => self.end(message.payload()),
            kind if kind == self.expected.kind => each(message.payload()),
            _ => Err(NetlinkError::Unexpected("its type is another")),
        }
    }

    fn check(&self, message: &NetlinkBuffer<&[u8]>) -> Result<(), NetlinkError> {
        if message.sequence_number() != self.expected.sequence {
            return Err(NetlinkError::Unexpected("its sequence number is another"));
        }
        if message.port_number() != self.expected.port {
            return Err(NetlinkError::Unexpected("its port id is another"));
        }
        Ok(())
    }

    /// `NLMSG_DONE` carries the error that ended the dump, 0 for none (`netlink_dump_done`,
    /// `net/netlink/af_netlink.c`).
    fn end(&mut self, payload: &[u8]) -> Result<(), NetlinkError> {
        match error_code(payload)? {
            0 if self.interrupted => Err(NetlinkError::Interrupted),
            0 => {
                self.done = true;
                Ok(())
            }
            code => Err(NetlinkError::Refused(io::Error::from_raw_os_error(code))),
        }
    }
}

/// Messages begin at multiples of four bytes (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;

fn refusal(payload: &[u8]) -> NetlinkError {
    match error_code(payload) {
        Ok(0) => NetlinkError::Unexpected("an acknowledgement in a dump"),
        Ok(code) => NetlinkError::Refused(io::Error::from_raw_os_error(code)),
        Err(error) => error,
    }
}

/// The error number, which the kernel writes negated.
fn error_code(payload: &[u8]) -> Result<i32, NetlinkError> {
    let code = u32_at(payload, 0).ok_or_else(|| malformed("no error code where one must be"))?;
    Ok(code.cast_signed().wrapping_neg())
}

fn malformed(what: &str) -> NetlinkError {
    NetlinkError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXPECTED: Expected = Expected { kind: 20, sequence: 1, port: 77 };

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 16];
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let mut header = NetlinkBuffer::new(&mut bytes);
        header.set_length(16 + u32::try_from(payload.len()).unwrap());
        header.set_message_type(kind);
        header.set_flags(flags);
        header.set_sequence_number(EXPECTED.sequence);
        header.set_port_number(EXPECTED.port);
        bytes
    }

    /// All payloads of a dump in one datagram, or why it is not one.
    fn read(datagram: &[u8]) -> Result<Option<Vec<Vec<u8>>>, NetlinkError> {
        let (mut found, mut reading) = (Vec::new(), Reading::new(EXPECTED));
        reading.datagram(datagram, |payload| {
            found.push(payload.to_vec());
            Ok(())
        })?;
        Ok(reading.is_done().then_some(found))
    }

    fn done(code: i32) -> Vec<u8> {
        message(NLMSG_DONE, 0, &code.to_ne_bytes())
    }

    #[test]
    fn answers_up_to_done_are_a_dump() {
        let datagram =
            [message(20, 2, b"one"), message(NLMSG_NOOP, 0, b""), message(20, 2, b"three"), done(0)].concat();
        assert_eq!(read(&datagram).unwrap().unwrap(), [&b"one"[..], b"three"]);
    }

    #[test]
    fn without_done_there_is_more_to_come() {
        assert_eq!(read(&message(20, 2, b"one")).unwrap(), None);
    }

    #[test]
    fn an_interruption_anywhere_spoils_the_dump() {
        let datagram = [message(20, 2 | NLM_F_DUMP_INTR, b"one"), message(20, 2, b"two"), done(0)].concat();
        assert!(matches!(read(&datagram), Err(NetlinkError::Interrupted)));
    }

    #[test]
    fn errors_of_the_kernel_are_reported_wherever_they_come() {
        for datagram in [message(NLMSG_ERROR, 0, &(-2_i32).to_ne_bytes()), done(-2)] {
            match read(&datagram) {
                Err(NetlinkError::Refused(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_does_not_belong_never_ends_the_dump_quietly() {
        let mut other_sequence = message(20, 2, b"one");
        NetlinkBuffer::new(&mut other_sequence).set_sequence_number(2);
        let mut other_port = done(0);
        NetlinkBuffer::new(&mut other_port).set_port_number(1);
        for datagram in [other_sequence, other_port, message(21, 2, b"one"), message(NLMSG_OVERRUN, 0, b"")] {
            assert!(matches!(read(&datagram), Err(NetlinkError::Unexpected(_))));
        }
        let acknowledgement = message(NLMSG_ERROR, 0, &0_i32.to_ne_bytes());
        assert!(matches!(read(&acknowledgement), Err(NetlinkError::Unexpected(_))));
    }

    /// The bytes of a header behind the length, which is the only word on where a message ends.
    const TYPE_AND_ON: std::ops::Range<usize> = 4..16;

    proptest! {
        #[test]
        fn garbage_is_an_error_or_unfinished(bytes: Vec<u8>) {
            prop_assert!(!matches!(read(&bytes), Ok(Some(_))));
        }

        #[test]
        fn a_cut_dump_is_never_taken_for_a_whole_one(cut in 1_usize..60) {
            let whole = [message(20, 2, b"one"), message(20, 2, b"two"), done(0)].concat();
            let part = &whole[..whole.len() - cut];
            prop_assert!(!matches!(read(part), Ok(Some(_))));
        }

        #[test]
        fn a_damaged_header_never_changes_what_is_read_in_silence(position in TYPE_AND_ON, value: u8) {
            let mut datagram = [message(20, 2, b"one"), done(0)].concat();
            datagram[position] = value;
            if let Ok(Some(found)) = read(&datagram) {
                let control = [NLMSG_NOOP, NLMSG_DONE].contains(&u16::from(datagram[TYPE_AND_ON.start]));
                prop_assert!(found == [b"one"] || control, "{:?}", found);
            }
        }
    }
}
