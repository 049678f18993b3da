//! The files that a user names: the only place of this crate that opens any.
//!
//! Every read has a limit, so that a device or a file of any size is an error and not a full memory.

#![expect(clippy::disallowed_methods, reason = "this is the one module that opens the files that a user names")]

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Place, ReadError};

/// Reads all of a file or of standard input.
pub(crate) fn read(from: &Place, limit: u64) -> Result<Vec<u8>, ReadError> {
    match from {
        Place::File(path) => read_within(File::open(path)?, limit),
        _ => read_within(io::stdin().lock(), limit),
    }
}

/// Whether there is something of this name, be it a link that leads nowhere.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Whose word it is that a file is to be gone by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// That of the user, who named it or the policy that names it, or that of a digest.
    Named,
    /// Nobody's: it lay where policies are looked for, or is named by what lay there. Only those may have put it there who
    /// could also have changed what the user runs.
    Found,
}

/// Reads all of a regular file, and of nothing else: a pipe that a policy names would keep the run waiting for ever.
pub(crate) fn read_regular(path: &Path, limit: u64, trust: Trust) -> Result<Vec<u8>, ReadError> {
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    let file = File::open(path)?;
    if trust == Trust::Found {
        owner::check(path, &file)?;
    }
    read_within(file, limit)
}

/// Whether there is something of this name, be it a link that leads nowhere. What cannot be told is an error.
pub(crate) fn is_there(path: &Path) -> Result<bool, ReadError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The path without links; that of the working directory for an empty one.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, ReadError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Ok(fs::canonicalize(path)?)
}

/// The working directory.
pub(crate) fn working_directory() -> Result<PathBuf, ReadError> {
    Ok(env::current_dir()?)
}

#[cfg(unix)]
mod owner {
    use std::env;
    use std::fs::File;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use crate::error::ReadError;

    const OTHERS_MAY_WRITE: u32 = 0o002;

    /// An error if the file, or the link that leads to it, belongs to a stranger, or if everybody may write to it: a link
    /// chooses among the files of others.
    pub(super) fn check(path: &Path, file: &File) -> Result<(), ReadError> {
        let (entry, about) = (path.symlink_metadata()?, file.metadata()?);
        let (us, before_sudo) = (rustix::process::geteuid().as_raw(), env::var("SUDO_UID").ok());
        let mut owners = [entry.uid(), about.uid()].into_iter();
        if let Some(owner) = owners.find(|owner| is_stranger(*owner, us, before_sudo.as_deref())) {
            let why = format!("it was found, not named, and belongs to uid {owner}, who is neither root nor you");
            return Err(ReadError::Untrustworthy(why));
        }
        if about.mode() & OTHERS_MAY_WRITE != 0 {
            return Err(ReadError::Untrustworthy("it was found, not named, and everybody may write to it".to_owned()));
        }
        Ok(())
    }

    /// Whether somebody is neither root nor who runs this. Who ran sudo(8) is what it says, but only to root.
    pub(super) fn is_stranger(owner: u32, us: u32, before_sudo: Option<&str>) -> bool {
        let before_sudo = before_sudo.filter(|_| us == 0).and_then(|uid| uid.parse().ok());
        owner != 0 && owner != us && Some(owner) != before_sudo
    }
}

/// Who owns a file and who may write to it has no simple answer here.
#[cfg(not(unix))]
mod owner {
    use std::fs::File;
    use std::path::Path;

    use crate::error::ReadError;

    pub(super) fn check(_: &Path, _: &File) -> Result<(), ReadError> {
        Ok(())
    }
}

fn read_within(input: impl Read, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    input.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(ReadError::TooLarge { limit }) } else { Ok(bytes) }
}

/// Writes a file in one step: whoever reads it sees all of it or what was there before. What is not a regular file
/// (`/dev/null`, a pipe) is written to as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Ok(there) => replace(&fs::canonicalize(path)?, bytes, Some(there.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path, bytes, None),
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary_in(folder)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A file with the permissions that the user's mask leaves, as any program would make it.
#[cfg(unix)]
fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new().prefix(".loopgate-").permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".loopgate-").tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_beyond() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facts.json");
        write(&path, b"12345").unwrap();
        let place = Place::File(path);
        assert_eq!(read(&place, 5).unwrap(), b"12345");
        assert!(matches!(read(&place, 4), Err(ReadError::TooLarge { limit: 4 })));
    }

    #[cfg(unix)]
    #[test]
    fn root_we_and_who_ran_sudo_are_no_strangers() {
        use owner::is_stranger;
        assert!(!is_stranger(0, 1000, None) && !is_stranger(1000, 1000, None) && !is_stranger(0, 0, None));
        assert!(is_stranger(1001, 1000, None) && is_stranger(1001, 0, None));
        assert!(!is_stranger(1001, 0, Some("1001")));
        assert!(is_stranger(1001, 0, Some("1002")) && is_stranger(1001, 0, Some("nonsense")));
        assert!(is_stranger(1001, 1000, Some("1001")), "anybody can set a variable for himself");
    }

    #[cfg(unix)]
    #[test]
    fn an_endless_device_is_too_large() {
        let zero = Place::File("/dev/zero".into());
        assert!(matches!(read(&zero, 1 << 20), Err(ReadError::TooLarge { .. })));
    }

    #[test]
    fn writing_replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["report.json"]);
        assert!(write(&folder.path().join("missing/report.json"), b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_written_through_and_a_device_stays_one() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        write(Path::new("/dev/null"), b"gone").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
