//! Signing in in a browser of this host.

use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use token_core::Signer;
use token_core::grant::authorization_code::{Attempt, BrowserRequest, Identified};
use tokio::process::Command;
use url::Url;

use super::refused;
use crate::app::App;
use crate::config::{Environment, PROCESS};
use crate::program;
use crate::report::{self, Failure};

/// How long a person may take: for a second factor, and to find the phone that it is on.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Lets a person sign in in a browser of this host; `None` where none can be opened, once that is said.
pub(super) async fn sign_in(
    app: &App,
    request: BrowserRequest,
    signer: Option<&Signer>,
) -> Result<Option<Identified>, Failure> {
    let commands = commands(&PROCESS);
    if commands.is_empty() {
        report::notice("No browser opens here (no BROWSER, DISPLAY or WAYLAND_DISPLAY); so take a code.");
        return Ok(None);
    }
    let page = request.authorization_endpoint().clone();
    let attempt = match Attempt::start(request).await {
        Ok(attempt) => attempt,
        Err(error) => {
            report::warning(&format!("no browser can come back to this host: {error}; a code does it too"));
            return Ok(None);
        }
    };
    let url = attempt.url().clone();
    let (transport, clock) = (app.transport(), app.clock());
    let mut finish = pin!(attempt.finish(&*transport, signer, &*clock, PATIENCE));
    // Whoever gets the browser to open shows its page, so nothing is said before that is known to have worked.
    tokio::select! {
        outcome = &mut finish => outcome
            .map(Some)
            .map_err(|error| refused(&error, "the sign-in was not completed")),
        why = open(&commands, &url, &page) => {
            report::warning(&format!("no browser could be opened: {why}; a code does it too"));
            Ok(None)
        }
    }
}

/// Opens the URL with the first command that does not fail. It returns when all of them have failed, with why.
async fn open(commands: &[Vec<String>], url: &Url, page: &Url) -> String {
    let mut why = String::new();
    for command in commands {
        let Some((program, arguments)) = command.split_first() else { continue };
        let named = arguments.iter().any(|argument| argument.contains("%s"));
        let arguments = arguments.iter().map(|argument| argument.replace("%s", url.as_str()));
        // What it prints is for nobody, and our standard output is for tokens.
        let child = Command::new(program)
            .args(arguments)
            .args((!named).then_some(url.as_str()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let status = match child {
            Ok(mut child) => {
                opened(url, page);
                child.wait().await
            }
            Err(error) => Err(error),
        };
        match status {
            Ok(status) if status.success() => std::future::pending().await,
            Ok(status) => why = format!("'{program}' ended with {status}"),
            Err(error) => why = format!("'{program}': {error}"),
        }
    }
    why
}

/// Says where the person is expected. The whole URL goes to a terminal only: it names this sign-in, though what would
/// take it over is not in it.
fn opened(url: &Url, page: &Url) {
    if program::is_az() {
        report::warning(&format!(
            "A web browser has been opened at {page}. Please continue the login in the web browser. If no web browser \
             is available or if the web browser fails to open, use device code flow with `az login --use-device-code`."
        ));
        return;
    }
    report::notice(&format!(
        "A browser has been opened; sign in there. If you do not see it, open this page on this host:\n\n{url}\n\n\
         '{} login --use-device-code' signs in from any device. Ctrl-C ends the wait.",
        program::name()
    ));
}

/// What opens a page here, in the order to be tried; nothing where there is no screen.
fn commands(environment: &Environment<'_>) -> Vec<Vec<String>> {
    let words = |command: &str| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if let Some(list) = environment.text("BROWSER") {
        return list.split(':').map(words).filter(|command| !command.is_empty()).collect();
    }
    // The browser of whoever looks at a codespace is on another host.
    if environment.text("CODESPACES").is_some() {
        return Vec::new();
    }
    if cfg!(target_os = "macos") {
        return vec![words("open")];
    }
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| environment.text(name).is_some());
    if has_screen { vec![words("xdg-open")] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands_of(variables: &[(&str, &str)]) -> Vec<String> {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        commands(&Environment(&lookup)).into_iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn browser_says_what_opens_pages_else_the_screen_does() {
        let screen = ("DISPLAY", ":0");
        assert_eq!(commands_of(&[("BROWSER", "firefox:lynx %s "), screen]), ["firefox", "lynx %s"]);
        assert!(commands_of(&[("BROWSER", ":"), screen]).is_empty());
        if cfg!(target_os = "macos") {
            return;
        }
        assert_eq!(commands_of(&[screen]), ["xdg-open"]);
        assert_eq!(commands_of(&[("WAYLAND_DISPLAY", "wayland-0"), ("BROWSER", "")]), ["xdg-open"]);
        assert!(commands_of(&[screen, ("CODESPACES", "true")]).is_empty());
        assert!(commands_of(&[]).is_empty());
    }
}
