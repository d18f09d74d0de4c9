//! Who sits at the browser: as much of one as a redirect and a form take, one connection a request.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::time::Duration;

use url::{Url, form_urlencoded};

/// What a browser shows.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The head, as it came.
    pub head: String,
    /// The body.
    pub body: String,
}

/// What an issuer has the browser send to the client: not sent yet, so that a test may change it.
#[derive(Clone, Debug)]
pub struct Redirection {
    /// The redirect URI, without parameters.
    pub to: Url,
    /// Whether they go in a form.
    pub form_post: bool,
    /// The parameters.
    pub parameters: Vec<(String, String)>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    /// Where nobody answers.
    pub fn get(url: &str) -> Self {
        Self::ask("GET", &Url::parse(url).unwrap(), None)
    }

    /// Sends a form.
    ///
    /// # Panics
    /// Where nobody answers.
    pub fn post(url: &str, form: &[(String, String)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        Self::ask("POST", &Url::parse(url).unwrap(), Some(&body))
    }

    /// Opens an authorization URL at an issuer that asks nobody, and goes where it leads.
    ///
    /// # Panics
    /// Where nobody answers, or the issuer leads nowhere.
    pub fn sign_in(url: &str) -> Self {
        Self::get(url).redirection().follow()
    }

    /// Where an issuer's page leads back to.
    ///
    /// # Panics
    /// Where it leads nowhere.
    pub fn redirection(&self) -> Redirection {
        if let Some(location) = self.header("location") {
            let mut to = Url::parse(location).unwrap();
            let parameters = to.query_pairs().into_owned().collect();
            to.set_query(None);
            return Redirection { to, form_post: false, parameters };
        }
        let to = between(&self.body, "action=\"", "\"")
            .unwrap_or_else(|| panic!("the page leads nowhere: {}", self.body));
        let fields = self.body.split("<input type=\"hidden\" ").skip(1);
        let parameters = fields
            .map(|field| {
                let value = |name: &str| unescaped(between(field, name, "\"").unwrap_or_default());
                (value("name=\""), value("value=\""))
            })
            .collect();
        Redirection { to: Url::parse(&unescaped(to)).unwrap(), form_post: true, parameters }
    }

    /// A header, by name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(field, value)| field.eq_ignore_ascii_case(name).then(|| value.trim()))
    }

    fn ask(method: &str, url: &Url, form: Option<&str>) -> Self {
        let (host, port) = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n");
        if let Some(form) = form {
            request += &format!(
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                form.len()
            );
        }
        request += "\r\n";
        request += form.unwrap_or_default();
        Self::raw(url, request.as_bytes())
    }

    /// Sends bytes to the host of a URL, whatever they are.
    ///
    /// # Panics
    /// Where nobody answers.
    pub fn raw(url: &Url, bytes: &[u8]) -> Self {
        let host = url.host_str().unwrap().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap();
        // Browsers know this name by themselves, whatever the host's table says.
        let stream = match host {
            "localhost" => TcpStream::connect(
                &[(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()][..],
            ),
            host => TcpStream::connect((host, port)),
        };
        let mut stream = stream.unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Redirection {
    /// Goes there.
    pub fn follow(&self) -> Page {
        if self.form_post {
            return Page::post(self.to.as_str(), &self.parameters);
        }
        let mut url = self.to.clone();
        url.query_pairs_mut().extend_pairs(&self.parameters);
        Page::get(url.as_str())
    }

    /// With one parameter changed; without it where there is no value.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.parameters.retain(|(known, _)| known != name);
        self.parameters.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// A parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(behind).map(|(found, _)| found)
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&quot;", "\"").replace("&amp;", "&")
}
