//! The `hotlist` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    hotlist::cli::main()
}
