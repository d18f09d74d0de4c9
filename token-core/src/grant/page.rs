//! What a person sees in the browser when the sign-in is over: a page without scripts and without anything from
//! elsewhere, which may be closed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::id_token::printable;

/// A page, and the status it is sent with.
#[derive(Debug)]
pub(super) struct Page {
    status: &'static str,
    class: &'static str,
    title: &'static str,
    /// HTML.
    text: String,
}

const STYLE: &str = include_str!("page.css");

const TICK: &str = r#"<circle cx="22" cy="22" r="19"/><path d="m13.5 22.5 6 6 11-12.5"/>"#;
const CROSS: &str = r#"<circle cx="22" cy="22" r="19"/><path d="m16 16 12 12m0-12-12 12"/>"#;

/// How many letters of somebody else's explanation are shown.
const LONGEST_TEXT: usize = 600;

impl Page {
    /// It worked.
    pub(super) fn signed_in(name: Option<&str>, issuer: &str) -> Self {
        let who = match name {
            Some(name) => format!("<strong>{}</strong> at {}", escaped(name), escaped(issuer)),
            None => escaped(issuer),
        };
        Self {
            status: "200 OK",
            class: "good",
            title: "You are signed in",
            text: format!("<p>{who}</p><p class=\"quiet\">You can close this page.</p>"),
        }
    }

    /// It did not, and this is why.
    pub(super) fn failed(why: &str) -> Self {
        Self {
            status: "200 OK",
            class: "bad",
            title: "The sign-in failed",
            text: format!(
                "<p class=\"said\">{}</p><p class=\"quiet\">The program that asked for it says more. \
                 You can close this page.</p>",
                escaped(why)
            ),
        }
    }

    /// A request that is not the answer that is waited for.
    pub(super) fn refused(why: &str) -> Self {
        Self {
            status: "400 Bad Request",
            class: "bad",
            title: "This page has nothing for you",
            text: format!(
                "<p>{}</p><p class=\"quiet\">Nothing has been done. You can close this page.</p>",
                escaped(why)
            ),
        }
    }

    /// The whole answer. What is in its URL must go nowhere else, and nobody may keep it.
    pub(super) fn response(&self) -> String {
        let Self { status, class, title, text } = self;
        let drawing = if *class == "good" { TICK } else { CROSS };
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>{STYLE}</style></head>\n\
             <body><main class=\"{class}\"><svg viewBox=\"0 0 44 44\" aria-hidden=\"true\">{drawing}</svg>\
             <h1>{title}</h1>{text}</main></body></html>\n"
        );
        let style = STANDARD.encode(Sha256::digest(STYLE));
        format!(
            "HTTP/1.1 {status}\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: {}\r\n\
             Connection: close\r\n\
             Cache-Control: no-store\r\n\
             Referrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'sha256-{style}'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\r\n{html}",
            html.len()
        )
    }
}

/// Text as HTML shows it, without what it could be taken for.
fn escaped(text: &str) -> String {
    let mut html = String::new();
    for c in printable(text).chars().take(LONGEST_TEXT) {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_issuer_says_is_text_and_not_markup() {
        let page = Page::failed("<script>alert('1')</script> & \"more\"\u{202e}\u{7}").response();
        assert!(page.contains(
            "<p class=\"said\">&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;more&quot;</p>"
        ));
        assert!(!page.contains("<script"));
    }

    #[test]
    fn a_page_loads_nothing_and_is_kept_nowhere() {
        for page in [Page::signed_in(Some("ada"), "idp.example"), Page::failed("no"), Page::refused("no")] {
            let response = page.response();
            let (head, html) = response.split_once("\r\n\r\n").unwrap();
            for header in ["Cache-Control: no-store", "Referrer-Policy: no-referrer", "default-src 'none'"] {
                assert!(head.contains(header), "{head}");
            }
            assert!(head.contains(&format!("Content-Length: {}\r\n", html.len())));
            assert!(!html.contains("http") && !html.contains("url("), "{html}");
        }
    }
}
