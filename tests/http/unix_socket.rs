//! A Unix socket instead of a port.

use hotlist::web::{ListenAddress, Listener, Options, serve};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::support::{RequestExt, Server, WAIT_TIMEOUT};

#[tokio::test]
async fn a_proxy_that_may_open_the_socket_names_the_caller_and_the_file_goes_when_the_server_stops() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = Listener::bind(&ListenAddress::Unix(path.clone()), 0o660).await.expect("it listens");
    let caller_header = Some("x-user".parse().expect("a header"));
    // No network is trusted. The permissions of the file say who is.
    let options = Options { caller_header, trusted_proxies: Vec::new(), ..Options::default() };
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, server.services.clone(), options, shutdown.clone()));
    let client =
        reqwest::Client::builder().unix_socket(path.as_path()).timeout(WAIT_TIMEOUT).build().expect("a client");
    let add = client.post("http://localhost/lists/bob/entries").header("x-user", "ann");
    let added = add.json_text(r#"{"title":"tea"}"#).response().await;
    assert_eq!(added.json()["url"], "http://localhost/lists/bob/entries/1");
    let history = client.get("http://localhost/lists/bob/history").header("x-user", "bob").response().await;
    assert_eq!(history.json()[0]["caller"], "ann");
    client.get("http://todo.example/lists").header("x-user", "ann").response().await.problem(421, "host");
    let mut events = client.get("http://localhost/lists/bob/events").header("x-user", "ann").events().await;
    events.expect("ready", 1).await;
    shutdown.cancel();
    tokio::time::timeout(WAIT_TIMEOUT, task).await.expect("it ends").expect("it does not panic");
    assert!(!path.exists());
    assert!(UnixStream::connect(&path).await.is_err());
}
