//! The place of the recorded lists: a data directory, or a running server.

use std::fmt;
use std::path::PathBuf;

use super::remote::Recorded;

/// Where the recorded lists are.
pub(super) enum Place {
    Directory(PathBuf),
    Server(Recorded),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => write!(f, "{}", directory.display()),
            Self::Server(server) => write!(f, "{}", server.address()),
        }
    }
}
