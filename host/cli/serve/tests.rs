//! Each flag and each environment variable of `hotlist serve` reaches its field of the configuration.

use std::process::Command as Process;

use clap::{Arg, ArgAction, Command, FromArgMatches};

use super::*;

/// Each flag with a value that is neither its default nor the value of another flag. A switch is on.
const VALUES: [(&str, &str); 48] = [
    ("listen", "127.0.0.9:9"),
    ("admin-listen", "unix:/admin"),
    ("listen-mode", "640"),
    ("data", "/data"),
    ("accept-loss", "true"),
    ("plugins", "/plugins"),
    ("default-logic", "strict"),
    ("share", "mine@0102030405060708090a0b0c0d0e0f10,yours@sha256:0708090a0b0c0d0e0f1011121314151617"),
    ("force", "true"),
    ("quarantine-failures", "11"),
    ("quarantine-within", "12ms"),
    ("quarantine-in-a-row", "13"),
    ("quarantine-lists", "42"),
    ("allow-anonymous", "true"),
    ("caller-header", "x-user"),
    ("trusted-proxy", "10.0.0.0/8,192.0.2.7"),
    ("public-url", "https://todo.example"),
    ("cors-origin", "*,https://app.example"),
    ("idle", "14ms"),
    ("max-resident", "15"),
    ("max-resident-bytes", "43"),
    ("mailbox", "16"),
    ("history", "17"),
    ("history-bytes", "36"),
    ("max-answer-bytes", "37"),
    ("receipt-time", "32s"),
    ("max-list-receipt-bytes", "33"),
    ("max-receipt-bytes", "34"),
    ("scrub-interval", "35s"),
    ("max-entries", "100018"),
    ("max-list-bytes", "19"),
    ("max-body", "20"),
    ("max-connections", "21"),
    ("max-connections-per-peer", "38"),
    ("max-event-streams", "22"),
    ("max-event-streams-per-client", "39"),
    ("drain", "23ms"),
    ("decision-threads", "41"),
    ("max-compile-memory", "400000000"),
    ("max-compile-time", "36s"),
    ("fuel", "24"),
    ("deadline", "25ms"),
    ("heavy-fuel", "26"),
    ("heavy-deadline", "27ms"),
    ("memory-mib", "28"),
    ("heavy-memory-mib", "29"),
    ("instances", "30"),
    ("heavy-instances", "31"),
];

/// The configuration that [`VALUES`] mean. It is written in full, so that a new field does not compile before it
/// has a value here.
fn expected() -> Config {
    let name = |name: &str| LogicName::new(name).expect("a name");
    let ms = Duration::from_millis;
    let (wasm, web) = (wasm::Settings::default(), web::Options::default());
    Config {
        awaits_default_logic: false,
        listen: "127.0.0.9:9".parse().expect("an address"),
        admin_listen: Some("unix:/admin".parse().expect("an address")),
        listen_mode: 0o640,
        data: "/data".into(),
        accept_loss: true,
        plugins: Some("/plugins".into()),
        allow_anonymous: true,
        default_logic: name("strict"),
        shared: ["mine@0102030405060708090a0b0c0d0e0f10", "yours@0708090a0b0c0d0e0f1011121314151617"]
            .map(|text| text.parse().expect("a component"))
            .into(),
        share_all: false,
        force: true,
        quarantine: QuarantinePolicy { failures: 11, within: 12, in_a_row: 13, lists: 42 },
        limits: Limits { entries: 100_018, bytes: 19, changes: 200_036 },
        mailbox: 16,
        idle: ms(14),
        resident: 15,
        resident_bytes: 43,
        history: HistoryLimits { revisions: 17, bytes: 36 },
        receipts: ReceiptLimits { time: ms(32_000), list_bytes: 33, total_bytes: 34 },
        scrub_interval: ms(35_000),
        decision_threads: 41,
        wasm: wasm::Settings {
            fuel: 24,
            deadline: ms(25),
            heavy_fuel: 26,
            heavy_deadline: ms(27),
            memory: 28 << 20,
            heavy_memory: 29 << 20,
            instances: 30,
            heavy_instances: 31,
            compile_in: CompileIn::Child(ChildProcess {
                program: "/program".into(),
                memory: 400_000_000,
                time: ms(36_000),
            }),
            // No flag sets the others.
            stack: wasm.stack,
            answer_bytes: wasm.answer_bytes,
            component_bytes: wasm.component_bytes,
            warm: wasm.warm,
            recycle_after: wasm.recycle_after,
            check_every: wasm.check_every,
            cache: wasm.cache,
        },
        // The command line counts in it.
        dropped_log_lines: Default::default(),
        web: web::Options {
            caller_header: Some("x-user".parse().expect("a header")),
            trusted_proxies: ["10.0.0.0/8", "192.0.2.7/32"].map(|net| net.parse().expect("a network")).into(),
            public_url: Some("https://todo.example".parse().expect("a URL")),
            cors_origins: ["*", "https://app.example"].map(|origin| origin.parse().expect("an origin")).into(),
            max_body_bytes: 20,
            max_answer_bytes: 37,
            max_connections: 21,
            max_connections_per_peer: Some(38),
            max_event_streams: 22,
            max_event_streams_per_client: Some(39),
            drain_limit: ms(23),
            // No flag sets the others.
            page_bytes: web.page_bytes,
            max_connection_answer_bytes: web.max_connection_answer_bytes,
            min_answer_bytes: web.min_answer_bytes,
            answer_time: web.answer_time,
            max_component_bytes: web.max_component_bytes,
            max_uploads: web.max_uploads,
            max_arriving_bytes: web.max_arriving_bytes,
            header_timeout: web.header_timeout,
            idle_timeout: web.idle_timeout,
            body_timeout: web.body_timeout,
            max_header_bytes: web.max_header_bytes,
            max_headers: web.max_headers,
            max_streams_per_connection: web.max_streams_per_connection,
            has_operation_routes: web.has_operation_routes,
            heartbeat: web.heartbeat,
            page_size: web.page_size,
            max_page_size: web.max_page_size,
        },
    }
}

/// Parses arguments and the environment. Compares all fields at once by their debug output.
#[track_caller]
fn assert_expected(arguments: &[String]) {
    let matches = command().try_get_matches_from(arguments).expect("the flags are well-formed");
    let parsed = ServeArgs::from_arg_matches(&matches).expect("all flags are there").config("/program".into());
    assert_eq!(format!("{parsed:#?}"), format!("{:#?}", expected()));
}

fn command() -> Command {
    ServeArgs::augment_args(Command::new("serve"))
}

/// The flags of the command with their values.
fn flags() -> Vec<(Arg, &'static str)> {
    let value = |flag: &Arg| {
        let name = flag.get_long().expect("flags are long");
        let value = VALUES.iter().find(|(flag, _)| *flag == name);
        (flag.clone(), value.unwrap_or_else(|| panic!("--{name} has no value in this test")).1)
    };
    let flags: Vec<_> = command().get_arguments().map(value).collect();
    assert_eq!(flags.len(), VALUES.len(), "a flag of this test is gone");
    flags
}

#[test]
fn each_flag_reaches_its_field() {
    let mut arguments = vec!["serve".to_owned()];
    for (flag, value) in flags() {
        arguments.push(format!("--{}", flag.get_long().expect("flags are long")));
        arguments.extend((!matches!(flag.get_action(), ArgAction::SetTrue)).then(|| value.to_owned()));
    }
    assert_expected(&arguments);
}

#[test]
fn a_flag_about_access_that_cannot_be_read_says_how_to_write_it() {
    for (flag, value, says) in [
        ("--listen", "localhost:80", "unix:/run/hotlist/socket"),
        ("--listen-mode", "755", "write them as 600"),
        ("--trusted-proxy", "10.0.0.0/33", "write it as 10.0.0.0/8"),
        ("--public-url", "todo.example", "write it as https://todo.example"),
        ("--public-url", "https://todo.example/app", "without a path"),
        ("--cors-origin", "https://app.example/", "without a path"),
    ] {
        let error = command().try_get_matches_from(["serve", flag, value]).expect_err("it is wrong").to_string();
        assert!(error.contains(flag) && error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_nothing_can_stop_any_more_stops_with_an_error() {
    let data = tempfile::tempdir().expect("a directory");
    let config = Config { listen: "127.0.0.1:0".parse().expect("an address"), ..Config::new(data.path().to_owned()) };
    let (reload, reloads) = tokio::sync::mpsc::channel(1);
    let signals = Signals { stop: tokio_util::sync::CancellationToken::new(), reloads };
    // As the end of the thread does.
    drop(reload);
    let error = run(config, signals).await.expect_err("a part crashed").to_string();
    assert!(error.contains("listens for signals crashed"), "{error}");
}

#[test]
fn each_environment_variable_reaches_its_field() {
    let mut process = Process::new(std::env::current_exe().expect("this test is a program"));
    process.args(["--exact", "cli::serve::tests::the_environment_is_as_expected", "--ignored"]);
    for (flag, value) in flags() {
        process.env(flag.get_env().expect("each flag has a variable"), value);
    }
    let output = process.output().expect("this test starts again");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[test]
#[ignore = "started by each_environment_variable_reaches_its_field, which sets the variables"]
fn the_environment_is_as_expected() {
    assert_expected(&["serve".to_owned()]);
}
