//! A virtual implementation of the part of WASI that language engines import. Each result is a function of the current
//! command.
//!
//! The engines of JavaScript and Python import WASI 0.2, whether or not a plugin uses it. In this implementation:
//!
//! - the time is the time of the command, and sleeping takes no time;
//! - random numbers follow from the command's seed;
//! - printed text goes to the log;
//! - there are no arguments, environment variables or files;
//! - any other function, such as one that opens a socket, ends the call with an error that names the function.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

use super::contract::WASI;
use super::state::InstanceState;

/// The most random bytes that one call returns.
const MAX_RANDOM_BYTES: u64 = 65_536;

/// The number of bytes that the guest may print in one call.
const MAX_WRITE_BYTES: u64 = 4_096;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// Any resource of WASI, such as a stream or a file. It consists of its number.
struct VirtualResource;

/// The number of the standard output.
const STDOUT: u32 = 1;

/// The number of the standard error.
const STDERR: u32 = 2;

/// The number of everything else.
const OTHER: u32 = 0;

type Handle = Resource<VirtualResource>;

/// A call that the host does not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RefusedCall {
    /// No plugin may call the function.
    #[error("it called {0}, which no plugin may call")]
    Forbidden(String),
    /// The call asked for more random bytes than one call returns.
    #[error("it asked for {count} random bytes in one call, the limit is {MAX_RANDOM_BYTES}")]
    TooManyRandomBytes {
        /// How many bytes it asked for.
        count: u64,
    },
}

/// The error of an operation on a stream.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Handle),
    #[component(name = "closed")]
    Closed,
}

/// A time since the epoch.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Streamed<T> = std::result::Result<T, StreamError>;

/// Defines each WASI function that a component imports.
pub(super) fn link(linker: &mut Linker<InstanceState>, component: &Component) -> Result<()> {
    let engine = linker.engine().clone();
    for (name, import) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        let Some(short) = name.strip_prefix(WASI).and_then(|rest| rest.split('@').next()) else { continue };
        let mut defined = linker.instance(name)?;
        for (item, export) in interface.exports(&engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    defined.resource(item, ResourceType::host::<VirtualResource>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => define(&mut defined, short, item)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Defines one function of an interface: `wall-clock` of `clocks` is `clocks/wall-clock`.
fn define(at: &mut LinkerInstance<'_, InstanceState>, interface: &str, function: &str) -> Result<()> {
    match interface {
        "clocks/wall-clock" | "clocks/monotonic-clock" => define_clock(at, interface, function),
        "random/random" | "random/insecure" | "random/insecure-seed" => define_random(at, interface, function),
        "io/streams" => define_stream(at, interface, function),
        "io/poll" => match function {
            "poll" => at.func_wrap(function, |_: Cx<'_>, (all,): (Vec<Handle>,)| {
                // Everything is ready at once.
                Ok(((0..u32::try_from(all.len()).unwrap_or(u32::MAX)).collect::<Vec<_>>(),))
            }),
            "[method]pollable.ready" => at.func_wrap(function, |_: Cx<'_>, (_,): (Handle,)| Ok((true,))),
            "[method]pollable.block" => at.func_wrap(function, |_: Cx<'_>, (_,): (Handle,)| Ok(())),
            _ => forbid(at, interface, function),
        },
        _ if interface.starts_with("cli/terminal-") => {
            at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((None::<Handle>,)))
        }
        _ => match function {
            "get-stdout" => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((Handle::new_own(STDOUT),))),
            "get-stderr" => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((Handle::new_own(STDERR),))),
            "get-stdin" => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((Handle::new_own(OTHER),))),
            "get-environment" => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((Vec::<(String, String)>::new(),))),
            "get-arguments" => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((Vec::<String>::new(),))),
            "initial-cwd" => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((None::<String>,))),
            "get-directories" => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((Vec::<(Handle, String)>::new(),))),
            _ => forbid(at, interface, function),
        },
    }
}

type Cx<'a> = StoreContextMut<'a, InstanceState>;

fn define_clock(at: &mut LinkerInstance<'_, InstanceState>, interface: &str, function: &str) -> Result<()> {
    match (interface, function) {
        ("clocks/wall-clock", "now") => at.func_wrap(function, |cx: Cx<'_>, (): ()| {
            let now = cx.data().now;
            let nanoseconds = now % 1_000 * NANOSECONDS_PER_MILLISECOND;
            Ok((Datetime { seconds: now / 1_000, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) },))
        }),
        ("clocks/wall-clock", "resolution") => at.func_wrap(function, |_: Cx<'_>, (): ()| {
            Ok((Datetime { seconds: 0, nanoseconds: NANOSECONDS_PER_MILLISECOND as u32 },))
        }),
        (_, "now") => at
            .func_wrap(function, |cx: Cx<'_>, (): ()| Ok((cx.data().now.saturating_mul(NANOSECONDS_PER_MILLISECOND),))),
        (_, "resolution") => at.func_wrap(function, |_: Cx<'_>, (): ()| Ok((NANOSECONDS_PER_MILLISECOND,))),
        (_, "subscribe-instant" | "subscribe-duration") => {
            at.func_wrap(function, |_: Cx<'_>, (_,): (u64,)| Ok((Handle::new_own(OTHER),)))
        }
        _ => forbid(at, interface, function),
    }
}

fn define_random(at: &mut LinkerInstance<'_, InstanceState>, interface: &str, function: &str) -> Result<()> {
    match function {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            at.func_wrap(function, |mut cx: Cx<'_>, (count,): (u64,)| {
                if count > MAX_RANDOM_BYTES {
                    return Err(RefusedCall::TooManyRandomBytes { count }.into());
                }
                let bytes: Vec<u8> = (0..count).map(|_| cx.data_mut().next_random() as u8).collect();
                Ok((bytes,))
            })
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            at.func_wrap(function, |mut cx: Cx<'_>, (): ()| Ok((cx.data_mut().next_random(),)))
        }
        "insecure-seed" => at.func_wrap(function, |mut cx: Cx<'_>, (): ()| {
            let state = cx.data_mut();
            Ok(((state.next_random(), state.next_random()),))
        }),
        _ => forbid(at, interface, function),
    }
}

fn define_stream(at: &mut LinkerInstance<'_, InstanceState>, interface: &str, function: &str) -> Result<()> {
    match function {
        "[method]output-stream.check-write" => {
            at.func_wrap(function, |_: Cx<'_>, (_,): (Handle,)| Ok((Streamed::Ok(MAX_WRITE_BYTES),)))
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            at.func_wrap(function, |mut cx: Cx<'_>, (stream, bytes): (Handle, Vec<u8>)| {
                cx.data_mut().print(stream.rep() == STDERR, &bytes);
                Ok((Streamed::Ok(()),))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            at.func_wrap(function, |_: Cx<'_>, (_,): (Handle,)| Ok((Streamed::Ok(()),)))
        }
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => at
            .func_wrap(function, |_: Cx<'_>, (_, _): (Handle, u64)| {
                Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
            }),
        "[method]output-stream.subscribe" | "[method]input-stream.subscribe" => {
            at.func_wrap(function, |_: Cx<'_>, (_,): (Handle,)| Ok((Handle::new_own(OTHER),)))
        }
        _ => forbid(at, interface, function),
    }
}

fn forbid(at: &mut LinkerInstance<'_, InstanceState>, interface: &str, function: &str) -> Result<()> {
    let name = format!("{WASI}{interface}.{function}");
    at.func_new(function, move |_, _, _, _| Err(RefusedCall::Forbidden(name.clone()).into()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmtime::component::Instance;
    use wasmtime::{Config, Engine, Store};

    use super::*;
    use crate::list::name::LogicName;
    use crate::wasm::log_bucket::LogBucket;
    use crate::wasm::ticks::Ticks;

    /// A component that exports one function of an interface as `ask`.
    fn asking(interface: &str, function: &str, answers: &str, flat: &str) -> Vec<u8> {
        let wat = format!(
            r#"(component
                (import "wasi:{interface}@0.2.9" (instance $wasi (export "{function}" (func (result {answers})))))
                (core func $lowered (canon lower (func $wasi "{function}")))
                (core module $module
                    (import "" "ask" (func $ask (result {flat})))
                    (func (export "ask") (result {flat}) call $ask))
                (core instance $instance
                    (instantiate $module (with "" (instance (export "ask" (func $lowered))))))
                (func (export "ask") (result {answers}) (canon lift (core func $instance "ask"))))"#
        );
        wat::parse_str(wat).expect("it parses")
    }

    fn instantiate(component: &[u8]) -> (Store<InstanceState>, Instance) {
        let engine = Engine::new(Config::new().concurrency_support(false)).expect("an engine");
        let component = Component::new(&engine, component).expect("it compiles");
        let mut linker = Linker::new(&engine);
        link(&mut linker, &component).expect("it is linked");
        let log = Arc::new(LogBucket::new(LogicName::new("x").expect("a name"), Ticks::default()));
        let mut store = Store::new(&engine, InstanceState::new(log, Arc::default(), 1 << 20));
        let instance = linker.instantiate(&mut store, &component).expect("it is instantiated");
        (store, instance)
    }

    fn ask(store: &mut Store<InstanceState>, instance: &Instance) -> Result<u64> {
        Ok(instance.get_typed_func::<(), (u64,)>(&mut *store, "ask")?.call(&mut *store, ())?.0)
    }

    #[test]
    fn random_numbers_are_a_function_of_the_seed() {
        let (mut store, instance) = instantiate(&asking("random/random", "get-random-u64", "u64", "i64"));
        let mut draw = |seed: u64| {
            store.data_mut().begin_call(0, seed);
            [0; 2].map(|_| ask(&mut store, &instance).expect("a number"))
        };
        let first = draw(7);
        assert_ne!(first[0], first[1]);
        assert_ne!(draw(8), first);
        assert_eq!(draw(7), first);
        // The second number of splitmix64 from 1234567, according to its authors' program.
        assert_eq!(draw(1_234_567)[1], 3_203_168_211_198_807_973);
    }

    #[test]
    fn the_time_is_that_of_the_command_and_stands_still() {
        let (mut store, instance) = instantiate(&asking("clocks/monotonic-clock", "now", "u64", "i64"));
        store.data_mut().begin_call(1_795_435_200_123, 0);
        for _ in 0..2 {
            assert_eq!(ask(&mut store, &instance).expect("a time"), 1_795_435_200_123_000_000);
        }
    }

    #[test]
    fn too_many_random_bytes_are_refused_with_the_limit() {
        let component = wat::parse_str(
            r#"(component
                (import "wasi:random/random@0.2.9" (instance $wasi
                    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
                (core module $memory
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8))
                (core instance $memory (instantiate $memory))
                (core func $lowered (canon lower (func $wasi "get-random-bytes")
                    (memory (core memory $memory "memory"))
                    (realloc (core func $memory "realloc"))))
                (core module $module
                    (import "" "ask" (func $ask (param i64 i32)))
                    (func (export "ask") (result i64) (call $ask (i64.const 65537) (i32.const 0)) i64.const 0))
                (core instance $instance
                    (instantiate $module (with "" (instance (export "ask" (func $lowered))))))
                (func (export "ask") (result u64) (canon lift (core func $instance "ask"))))"#,
        );
        let (mut store, instance) = instantiate(&component.expect("it parses"));
        let error = ask(&mut store, &instance).expect_err("too many");
        let refused = error.downcast_ref::<RefusedCall>().expect("it says so").to_string();
        assert_eq!(refused, "it asked for 65537 random bytes in one call, the limit is 65536");
    }

    #[test]
    fn a_forbidden_function_is_named_when_it_is_called() {
        let (mut store, instance) = instantiate(&asking("sockets/tcp-create-socket", "create", "u64", "i64"));
        let error = ask(&mut store, &instance).expect_err("forbidden");
        let forbidden = error.downcast_ref::<RefusedCall>().expect("it says so").to_string();
        assert_eq!(forbidden, "it called wasi:sockets/tcp-create-socket.create, which no plugin may call");
    }
}
