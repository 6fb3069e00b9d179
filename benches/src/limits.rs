//! How many sockets a process may open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::bench::Failure;

/// Lets this process, and those that it starts, open `files` files at once.
///
/// # Errors
/// If the system does not allow it; the text says what to do.
pub fn allow_open_files(files: u64) -> Result<(), Failure> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= files {
        return Ok(());
    }
    if hard < files {
        return Err(format!("{files} open files are needed and {hard} allowed: raise `ulimit -Hn`").into());
    }
    setrlimit(Resource::RLIMIT_NOFILE, files, hard)?;
    Ok(())
}
