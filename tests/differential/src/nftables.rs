//! `libnftables` within this process: loading a ruleset takes a millisecond, running `nft(8)` takes ten
//! (`libnftables(3)`).

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;

use libloading::Library;

/// A handle to `libnftables`, bound to the network namespace of the thread that opened it.
pub struct Nftables {
    context: *mut c_void,
    run: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
    error: unsafe extern "C" fn(*mut c_void) -> *const c_char,
    free: unsafe extern "C" fn(*mut c_void),
    _library: Library,
}

impl Nftables {
    /// Loads the library and opens its netlink socket.
    #[expect(unsafe_code, reason = "the library of nftables is a C library")]
    pub fn open() -> io::Result<Self> {
        // SAFETY: libnftables has no initialisers with preconditions, and the types are those of
        // nftables/libnftables.h.
        unsafe {
            let library = Library::new("libnftables.so.1").map_err(io::Error::other)?;
            let new =
                library.get::<unsafe extern "C" fn(u32) -> *mut c_void>(b"nft_ctx_new\0").map_err(io::Error::other)?;
            let context = new(0);
            if context.is_null() {
                return Err(io::Error::other("nft_ctx_new failed"));
            }
            for name in [b"nft_ctx_buffer_output\0".as_slice(), b"nft_ctx_buffer_error\0"] {
                let buffer =
                    library.get::<unsafe extern "C" fn(*mut c_void) -> c_int>(name).map_err(io::Error::other)?;
                buffer(context);
            }
            let run = *library.get(b"nft_run_cmd_from_buffer\0").map_err(io::Error::other)?;
            let error = *library.get(b"nft_ctx_get_error_buffer\0").map_err(io::Error::other)?;
            let free = *library.get(b"nft_ctx_free\0").map_err(io::Error::other)?;
            Ok(Self { context, run, error, free, _library: library })
        }
    }

    /// Runs commands as one transaction.
    #[expect(unsafe_code, reason = "the library of nftables is a C library")]
    pub fn run(&self, commands: &str) -> Result<(), String> {
        let commands = CString::new(commands).map_err(|error| error.to_string())?;
        // SAFETY: the context is open, the commands end in a zero byte, and the library does not keep them. The error
        // buffer belongs to the context, ends in a zero byte, and is copied before anything else is done with it.
        unsafe {
            if (self.run)(self.context, commands.as_ptr()) == 0 {
                return Ok(());
            }
            let error = (self.error)(self.context);
            Err(if error.is_null() { String::new() } else { CStr::from_ptr(error).to_string_lossy().into_owned() })
        }
    }
}

impl Drop for Nftables {
    #[expect(unsafe_code, reason = "the library of nftables is a C library")]
    fn drop(&mut self) {
        // SAFETY: the context is open, and nothing uses it afterwards.
        unsafe { (self.free)(self.context) }
    }
}
