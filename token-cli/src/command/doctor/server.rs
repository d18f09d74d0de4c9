//! What a server is set to: whether it keeps what it acknowledges, and who can reach it.

use super::Findings;
#[cfg(feature = "redis")]
use super::State;
use super::sign_ins::Seen;
use crate::app::App;

#[cfg(not(feature = "redis"))]
pub(super) fn look(_: &App, _: &[Seen], _: &mut Findings) {}

#[cfg(feature = "redis")]
pub(super) fn look(app: &App, sign_ins: &[Seen], findings: &mut Findings) {
    let Ok(crate::backend::Backend::Redis(cache)) = app.backend() else { return };
    match app.poll(cache.inspect()) {
        // Where it cannot be reached, the cache has said so.
        Err(error) if findings.0.iter().any(|finding| finding.state == State::Error) => drop(error),
        Err(error) => findings.failure("server", &error.into()),
        Ok(inspection) => judge(&inspection, sign_ins.iter().any(|seen| seen.rotates), findings),
    }
}

#[cfg(feature = "redis")]
fn judge(server: &token_cache_redis::Inspection, rotates: bool, findings: &mut Findings) {
    if let Some(version) = &server.version {
        findings.ok("server", format!("Redis {version}"));
    }
    durability(server, rotates, findings);
    match server.eviction.as_deref() {
        Some("noeviction") => findings.ok("server", "evicts nothing (maxmemory-policy noeviction)"),
        Some(policy) => findings.add(
            "server",
            State::Warning,
            format!("drops entries when its memory is full (maxmemory-policy {policy}), sign-ins among them"),
            "maxmemory-policy noeviction: a full server is then an error that says so",
        ),
        None => {}
    }
    if server.in_the_clear {
        findings.add(
            "server",
            State::Warning,
            "is reached without TLS: its password, and who asks for what, can be read on the way",
            "rediss:// in the URL, and tls-port on the server",
        );
    }
    if server.without_password {
        findings.add(
            "server",
            State::Warning,
            "lets the default user in without a password: whoever reaches it can delete and replace entries",
            "a user of its own for the team (ACL SETUSER) and `user default off`",
        );
    }
}

#[cfg(feature = "redis")]
fn durability(server: &token_cache_redis::Inspection, rotates: bool, findings: &mut Findings) {
    let help = "appendonly yes and appendfsync always on the server: an acknowledged write may be the only copy of a \
                refresh token that has just been rotated";
    match (server.append_only, server.append_fsync.as_deref()) {
        (None, _) => findings.add(
            "server",
            State::Unknown,
            "its persistence and eviction could not be asked: the user has no right to INFO",
            "ACL SETUSER USER +info +config|get lets doctor look; nothing else takes it",
        ),
        (Some(false), _) => findings.add(
            "server",
            State::Warning,
            "forgets writes over a restart (appendonly no): sign-ins are lost with them",
            help,
        ),
        (Some(true), None) => findings.add(
            "server",
            State::Unknown,
            "keeps a log of writes (appendonly yes); when that is on the disk could not be asked",
            "ACL SETUSER USER +config|get lets doctor look",
        ),
        (Some(true), Some("always")) => {
            findings.ok("server", "keeps what it acknowledges (appendonly yes, appendfsync always)");
        }
        (Some(true), Some(fsync)) if rotates => findings.add(
            "server",
            State::Warning,
            format!("may forget its last writes in a crash (appendfsync {fsync}), and a sign-in here rotates its refresh token"),
            help,
        ),
        (Some(true), Some(fsync)) => findings.ok(
            "server",
            format!("keeps a log of writes (appendfsync {fsync}), which will do while no refresh token rotates"),
        ),
    }
}
