//! Output that nobody takes.

use std::fs::File;
use std::process::Stdio;

use token_testkit::Settings;

use crate::harness::{GET, Lab};

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let lab = Lab::signed_in(Settings::auto_approving());
    for arguments in [GET, &["account", "list"], &["completion", "bash"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = lab.token(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{arguments:?}");
    }
}

#[test]
fn a_full_device_is_told_of() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = lab.token(GET).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    error: could not write the output
    cause: No space left on device (os error 28)
    ");
    // Where stderr is full too there is nobody left to tell.
    let output = lab.token(GET).stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn closed_descriptors_are_no_failure_and_harm_no_file() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let command = "exec \"$0\" account get-access-token --force-refresh <&- >&- 2>&-";
    let status = lab.program("/bin/sh", &["-c", command, crate::harness::TOKEN]).status().unwrap();
    assert_eq!(status.code(), Some(0));
    lab.assert_alive();
}
