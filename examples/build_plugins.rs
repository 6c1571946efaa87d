//! Builds all plugins of this workspace into `plugins/built`.
#![expect(clippy::print_stdout, reason = "a program may speak")]

use std::path::{Path, PathBuf};

use hotlist::plugins::build;

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = std::env::var_os(build::GUEST_CARGO).map(PathBuf::from);
    for built in build::build_all(root, cargo.as_deref())? {
        println!("{}: {} bytes", built.path.display(), built.bytes);
    }
    Ok(())
}
