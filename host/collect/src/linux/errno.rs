//! Errors by the numbers of the kernel.

use std::io;

use rustix::io::Errno;

/// Whether an error is the one with a number of `errno(3)`.
pub(super) fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}
