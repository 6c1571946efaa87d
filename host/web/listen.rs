//! Listener: a TCP address, or a Unix socket for a proxy on the same machine.
//!
//! A socket file outlives its server when the server is killed. The file of a dead server refuses connections, and the next
//! server replaces it. A file that a server still listens on stays as it is, and so does a file of another kind.

use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixSocket, UnixStream};
use tokio_util::either::Either;

use super::peer::Peer;

/// What the text of a Unix socket's address begins with.
const UNIX: &str = "unix:";

/// The most connections that wait to be accepted. A burst that finds no room waits at least a second, because the kernel of the
/// client tries again after that time. The kernel has a limit of its own (`net.core.somaxconn`), which is the same by default.
const BACKLOG: u32 = 4_096;

/// A connection of either kind.
pub(super) type Stream = Either<TcpStream, UnixStream>;

/// Address to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddress {
    /// An address and port. Port 0 selects a free port.
    Tcp(SocketAddr),
    /// The path of a socket file.
    Unix(PathBuf),
}

/// Listener of a server.
pub struct Listener(Kind);

enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket. It is removed when this is dropped, unless another file has its place.
struct SocketFile {
    path: PathBuf,
    /// The device and number of the file.
    identity: (u64, u64),
}

impl ListenAddress {
    /// The beginning of URLs at this address. A Unix socket has none, so it is named as it was given.
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Unix(_) => self.to_string(),
        }
    }

    /// Whether only processes of this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no IP address with a port; write 127.0.0.1:8080, 0.0.0.0:8080 or unix:/run/hotlist/socket"
            )
        };
        match text.strip_prefix(UNIX) {
            Some("") => Err(wrong()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Listener {
    /// Listens on an address. A socket file gets the permissions `mode`.
    ///
    /// # Errors
    ///
    /// The address is in use or cannot be had, or its path has a file that is not the socket of a dead server.
    pub async fn bind(address: &ListenAddress, mode: u32) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
                // A restart does not have to wait for connections of the server before it.
                socket.set_reuseaddr(true)?;
                socket.bind(*address)?;
                Ok(socket.listen(BACKLOG)?.into())
            }
            ListenAddress::Unix(path) => {
                remove_dead_socket(path).await?;
                let socket = UnixSocket::new_stream()?;
                socket.bind(path)?;
                let file = SocketFile { path: path.clone(), identity: identity(&fs::symlink_metadata(path)?) };
                // No client can connect before the socket listens, so none is faster than the permissions.
                fs::set_permissions(path, Permissions::from_mode(mode))?;
                Ok(Self(Kind::Unix(socket.listen(BACKLOG)?, file)))
            }
        }
    }

    /// The address of the listener, with the port that was free.
    ///
    /// # Errors
    ///
    /// The operating system does not tell the port.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Kind::Unix(_, file) => Ok(ListenAddress::Unix(file.path.clone())),
        }
    }

    /// Accepts a connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Either::Left(stream), Peer::Address(address.ip())))
            }
            Kind::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Either::Right(stream), Peer::Local))
            }
        }
    }
}

/// Sends small responses at once.
pub(super) fn send_at_once(stream: &Stream) {
    if let Either::Left(stream) = stream
        && let Err(error) = stream.set_nodelay(true)
    {
        tracing::debug!(%error, "cannot turn off Nagle's algorithm, small responses may be late");
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|now| identity(&now) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the socket file; the next start replaces it");
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes the socket file of a server that does not run any more.
async fn remove_dead_socket(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let in_use = |why: &str| Err(io::Error::new(ErrorKind::AddrInUse, why));
    if !file.file_type().is_socket() {
        return in_use("there is a file that is not a socket; remove it, or listen on another path");
    }
    match UnixStream::connect(path).await {
        // Nothing listens.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        // A server whose queue of connections is full.
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        Ok(_) | Err(_) => in_use("another server listens there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for text in ["127.0.0.1:8080", "[::1]:80", "unix:/run/hotlist/socket", "unix:socket"] {
            assert_eq!(text.parse::<ListenAddress>().map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "unix:", "localhost:8080", "127.0.0.1", "/run/socket"] {
            assert!(wrong.parse::<ListenAddress>().is_err_and(|why| why.contains("unix:/run/")), "{wrong}");
        }
    }

    /// The permissions of a file.
    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("a file").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_file_has_its_permissions_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let address = ListenAddress::Unix(path.clone());
        for permissions in [0o600, 0o666] {
            let listener = Listener::bind(&address, permissions).await.expect("it listens");
            assert_eq!((mode(&path), listener.address().expect("an address")), (permissions, address.clone()));
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_server_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let address = ListenAddress::Unix(path.clone());
        // Dropping the listener of the standard library leaves the file, as a killed server does.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("it listens"));
        let first = Listener::bind(&address, 0o600).await.expect("it replaces the file");
        let second = Listener::bind(&address, 0o600).await.err().expect("it is refused").to_string();
        assert_eq!(second, "another server listens there");
        // A file that took its place is not the listener's to remove.
        fs::remove_file(&path).expect("it is removed");
        fs::write(&path, "precious").expect("it is written");
        drop(first);
        let third = Listener::bind(&address, 0o600).await.err().expect("it is refused").to_string();
        assert!(third.contains("not a socket"), "{third}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious");
    }
}
