//! A client for what a test asks of a server directly: no driver, and nothing in common with what is tested.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection over a server's Unix socket, blocking.
#[derive(Debug)]
pub struct RedisClient(BufReader<UnixStream>);

/// What a server says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RedisReply {
    /// A status, such as `OK`.
    Status(String),
    /// An error, with its code in front.
    Error(String),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nothing.
    Nil,
    /// A list.
    List(Vec<Self>),
}

/// Longer than a server takes for anything. Tests that wait for this have failed already.
const PATIENCE: Duration = Duration::from_secs(30);

impl RedisClient {
    pub(crate) fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command and reads what is said to it.
    ///
    /// # Panics
    /// When the connection ends.
    pub fn command<T: AsRef<[u8]>>(&mut self, parts: impl IntoIterator<Item = T>) -> RedisReply {
        self.try_command(parts).expect("the server answers")
    }

    /// The same, where the connection may end.
    pub fn try_command<T: AsRef<[u8]>>(
        &mut self,
        parts: impl IntoIterator<Item = T>,
    ) -> std::io::Result<RedisReply> {
        let parts: Vec<T> = parts.into_iter().collect();
        let mut request = format!("*{}\r\n", parts.len()).into_bytes();
        for part in &parts {
            let part = part.as_ref();
            request.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            request.extend_from_slice(part);
            request.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&request)?;
        self.reply()
    }

    /// The next thing the server says without being asked, as after `MONITOR`; `None` where it says nothing for this
    /// long.
    ///
    /// # Panics
    /// When the connection ends.
    pub fn next_within(&mut self, patience: Duration) -> Option<RedisReply> {
        self.0.get_ref().set_read_timeout(Some(patience)).unwrap();
        let said = match self.0.fill_buf() {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => None,
            _ => Some(()),
        };
        self.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        said.map(|()| self.reply().expect("the server goes on"))
    }

    fn reply(&mut self) -> std::io::Result<RedisReply> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = text.split_at(1);
        Ok(match kind {
            "+" => RedisReply::Status(rest.to_owned()),
            "-" => RedisReply::Error(rest.to_owned()),
            ":" => RedisReply::Number(rest.parse().unwrap()),
            "$" | "*" if rest == "-1" => RedisReply::Nil,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                RedisReply::Bytes(bytes)
            }
            "*" => {
                let length: usize = rest.parse().unwrap();
                RedisReply::List((0..length).map(|_| self.reply()).collect::<Result<_, _>>()?)
            }
            _ => panic!("no server says {text}"),
        })
    }
}

impl RedisReply {
    /// Every text in it, one a line.
    pub fn text(&self) -> String {
        match self {
            Self::Status(text) | Self::Error(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Nil => String::new(),
            Self::List(replies) => replies.iter().map(Self::text).collect::<Vec<_>>().join("\n"),
        }
    }
}
