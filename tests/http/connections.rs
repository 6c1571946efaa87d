//! Limits on connections and event streams: no client takes all of them.

use std::net::Ipv4Addr;

use hotlist::web::{ListenAddress, Listener, Options, serve, serve_admin};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::support::{RequestExt, Server, WAIT_TIMEOUT, metrics};

const PEER: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

/// Connects from an address of this machine.
async fn connect(server: &Server, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("an address of the loopback network");
    socket.connect(server.address).await.expect("a connection")
}

/// Opens a connection that the server serves, and that stays open.
async fn open(server: &Server, from: Ipv4Addr) -> TcpStream {
    let mut stream = connect(server, from).await;
    assert!(livez(&mut stream).await.starts_with("HTTP/1.1 200 "));
    stream
}

/// Sends a request and reads the beginning of the response.
async fn livez(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> String {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("the bytes are sent");
    let mut response = [0; 1024];
    let read = tokio::time::timeout(WAIT_TIMEOUT, stream.read(&mut response)).await.expect("a response in time");
    String::from_utf8_lossy(&response[..read.expect("a response")]).into_owned()
}

/// Opens a connection that the server refuses without a request, and returns the limit.
async fn refused(server: &Server, from: Ipv4Addr) -> Value {
    let (mut stream, mut response) = (connect(server, from).await, String::new());
    let read = tokio::time::timeout(WAIT_TIMEOUT, stream.read_to_string(&mut response));
    read.await.expect("it is refused at once").expect("a response and the end");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("connection: close"), "{head}");
    let problem: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&problem["type"], &problem["carried_out"]), (&json!("urn:hotlist:problem:overloaded"), &json!("no")));
    problem["limit"].clone()
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_at_once_and_one_that_ends_makes_room() {
    let server = Server::with(Options { max_connections: 1, ..Options::default() }).await;
    let mut first = open(&server, PEER).await;
    assert_eq!(refused(&server, NEIGHBOUR).await, json!({"name": "max connections", "value": 1}));
    assert!(livez(&mut first).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(metrics(&server).connections.get(), 1);
    drop(first);
    let next = async {
        // The server notices a moment later.
        while !livez(&mut connect(&server, NEIGHBOUR).await).await.starts_with("HTTP/1.1 200 ") {}
    };
    tokio::time::timeout(WAIT_TIMEOUT, next).await.expect("the closed connection makes room");
}

#[tokio::test]
async fn a_peer_at_its_limit_is_refused_at_once_while_another_address_goes_on() {
    let options = Options { max_connections: 100, max_connections_per_peer: Some(2), ..Options::default() };
    let server = Server::with(options).await;
    let _held = [open(&server, PEER).await, open(&server, PEER).await];
    for _ in 0..5 {
        assert_eq!(refused(&server, PEER).await, json!({"name": "max connections per peer", "value": 2}));
    }
    let mut neighbour = open(&server, NEIGHBOUR).await;
    neighbour.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.expect("bytes");
    let mut metrics = String::new();
    neighbour.read_to_string(&mut metrics).await.expect("a response");
    assert!(metrics.contains(r#"hotlist_connections_refused_total{reason="peer"} 5"#), "{metrics}");
}

#[tokio::test]
async fn by_default_a_peer_has_an_eighth_of_all_connections() {
    let server = Server::with(Options { max_connections: 72, ..Options::default() }).await;
    let mut held = Vec::new();
    for _ in 0..9 {
        held.push(open(&server, PEER).await);
    }
    assert_eq!(refused(&server, PEER).await["value"], 9);
}

#[tokio::test]
async fn a_network_with_many_addresses_leaves_the_last_connections_to_others() {
    let server = Server::with(Options { max_connections: 20, ..Options::default() }).await;
    let mut held = Vec::new();
    for host in 1..=9 {
        for _ in 0..2 {
            held.push(open(&server, Ipv4Addr::new(127, 0, 0, host)).await);
        }
    }
    let limit = refused(&server, Ipv4Addr::new(127, 0, 0, 10)).await;
    assert_eq!(limit, json!({"name": "connections of a network in the reserve", "value": 8}));
    open(&server, STRANGER).await;
}

#[tokio::test]
async fn a_proxy_that_names_callers_is_no_peer_and_an_untrusted_client_is_one() {
    let options = |trusted: &str| Options {
        max_connections_per_peer: Some(1),
        caller_header: Some("x-user".parse().expect("a header")),
        trusted_proxies: vec![trusted.parse().expect("a network")],
        ..Options::default()
    };
    let server = Server::with(options("127.0.0.1/32")).await;
    let _proxy = [open(&server, PEER).await, open(&server, PEER).await, open(&server, PEER).await];
    let _other = open(&server, NEIGHBOUR).await;
    assert_eq!(refused(&server, NEIGHBOUR).await["name"], "max connections per peer");

    // Who may open the socket file is a proxy.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = Listener::bind(&ListenAddress::Unix(path.clone()), 0o600).await.expect("it listens");
    let options = Options { max_connections: 2, max_connections_per_peer: Some(1), ..Options::default() };
    let task = tokio::spawn(serve(listener, server.services.clone(), options, server.shutdown.clone()));
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = UnixStream::connect(&path).await.expect("a connection");
        assert!(livez(&mut stream).await.starts_with("HTTP/1.1 200 "));
        streams.push(stream);
    }
    let mut response = String::new();
    let mut third = UnixStream::connect(&path).await.expect("a connection");
    third.read_to_string(&mut response).await.expect("it is refused");
    assert!(response.contains(r#""limit":{"name":"max connections","value":2}"#), "{response}");
    drop(streams);
    server.shutdown.cancel();
    tokio::time::timeout(WAIT_TIMEOUT, task).await.expect("it ends").expect("it does not panic");
}

#[tokio::test]
async fn a_client_at_its_limit_of_event_streams_is_refused_while_another_one_follows() {
    let server = Server::with(Options { max_event_streams_per_client: Some(1), ..Options::default() }).await;
    let mut first = server.request("GET", "/lists/bob/events").events().await;
    first.expect("ready", 0).await;
    let refused = server.get("/lists/alice/events").await;
    let problem = refused.problem(503, "overloaded");
    assert_eq!(problem["limit"], json!({"name": "max event streams per client", "value": 1}));
    assert_eq!(refused.header("retry-after"), "");
    let neighbour = reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from(NEIGHBOUR));
    let neighbour = neighbour.timeout(WAIT_TIMEOUT).build().expect("a client");
    neighbour.get(server.url("/lists/bob/events")).events().await.expect("ready", 0).await;
}

#[tokio::test]
async fn event_streams_are_counted_by_caller_where_a_header_names_it() {
    let caller_header = Some("x-user".parse().expect("a header"));
    let options = Options { max_event_streams_per_client: Some(1), caller_header, ..Options::default() };
    let server = Server::with(options).await;
    let events = |user: &str| server.request("GET", "/lists/bob/events").header("x-user", user);
    let mut ann = events("ann").events().await;
    ann.expect("ready", 0).await;
    events("ann").response().await.problem(503, "overloaded");
    events("bob").events().await.expect("ready", 0).await;
}

#[tokio::test]
async fn probes_and_scrapers_with_a_listener_of_their_own_are_served_while_all_connections_are_taken() {
    let options = Options {
        max_connections: 2,
        max_connections_per_peer: Some(2),
        has_operation_routes: false,
        caller_header: Some("x-user".parse().expect("a header")),
        ..Options::default()
    };
    let server = Server::with(options.clone()).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        server.request("GET", path).header("x-user", "ann").response().await.problem(404, "route-not-found");
    }
    let listener = Listener::bind(&ListenAddress::Tcp((PEER, 0).into()), 0o600).await.expect("it listens");
    let admin = listener.address().expect("an address").url();
    let (services, shutdown) = (server.services.clone(), server.shutdown.clone());
    let task = tokio::spawn(async move { serve_admin(listener, services, &options, shutdown).await });
    // The client of the test keeps its connection.
    let _silent = connect(&server, PEER).await;
    refused(&server, NEIGHBOUR).await;
    let client = reqwest::Client::builder().no_proxy().timeout(WAIT_TIMEOUT).build().expect("a client");
    for path in ["/livez", "/readyz", "/metrics"] {
        let response = client.get(format!("{admin}{path}")).response().await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("cache-control"), "no-store");
    }
    for path in ["/", "/lists", "/logic", "/openapi.json"] {
        let problem = client.get(format!("{admin}{path}")).response().await.problem(404, "route-not-found");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains("/metrics") && !detail.contains("openapi"), "{detail}");
    }
    let rebound = client.get(format!("{admin}/metrics")).header("host", "evil.example");
    rebound.response().await.problem(421, "host");
    drop(client);
    server.shutdown.cancel();
    tokio::time::timeout(WAIT_TIMEOUT, task).await.expect("it ends").expect("it does not panic");
}
