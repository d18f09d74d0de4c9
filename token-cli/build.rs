//! Links the program at a fixed address on Linux.
//!
//! A position-independent program of this size has some 9000 addresses to relocate before `main`, on every page of
//! its read-only data: half the time that a hit takes. Stack, heap and libraries are placed at random all the same.

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its target in the environment")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |part: &str| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
