//! A terminal, as a program sees one.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal of so many columns.
pub(crate) struct Terminal;

impl Terminal {
    /// Runs a command on it to its end; the answer is all that was shown.
    pub(crate) fn run(command: &mut Command, columns: u16) -> String {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let copy = || Stdio::from(theirs.try_clone().unwrap());
        let mut child = command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().unwrap();
        // The command has ends of its own, and ours would keep the terminal open.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        drop(theirs);
        let mut shown = Vec::new();
        // The last of them to leave is an error on this side.
        let _end = File::from(ours).read_to_end(&mut shown);
        let status = child.wait().unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(status.success(), "{status}: {shown}");
        shown
    }
}
